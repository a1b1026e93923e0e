"""The MLflow pages in a real browser: study, configurations, seeds, metrics, curves and figures are to be seen."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from tests.conftest import TINY
from tests.serving import free_port, serving

CHROMIUM = shutil.which("chromium")
IN_CI = "ABLATE_CI" in os.environ

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None and not IN_CI, reason="no chromium on this machine"),
]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ui")
    (folder / "s.yaml").write_text(TINY)
    subprocess.run([sys.executable, "-m", "ablate", "run", "s.yaml", "--quiet"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def address(study: Path) -> Iterator[str]:
    """`ablate ui` as a user starts it, until it answers."""
    port = free_port()
    with serving(["ablate", "ui"], port, study):
        yield f"http://127.0.0.1:{port}"


def test_a_person_finds_the_study_its_configurations_seeds_curves_and_figures(study: Path, address: str) -> None:
    from playwright.sync_api import sync_playwright

    client = MlflowClient(tracking_uri=f"sqlite:///{study}/.ablate/mlflow.db")
    experiment = client.get_experiment_by_name("quick")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parent, seed = (next(r for r in runs if r.data.tags["ablate.kind"] == kind) for kind in ("study", "seed"))
    base = f"{address}/#/experiments/{experiment.experiment_id}"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        page.set_default_timeout(60_000)
        outside: list[str] = []
        page.on("request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else outside.append(r.url))

        page.goto(f"{base}/runs")
        page.get_by_text("16 matching runs").wait_for()
        page.get_by_text("quick").first.wait_for()
        page.screenshot(path=study / "runs.png")

        page.goto(f"{base}/runs/{parent.info.run_id}")
        page.get_by_text("Does it run?").first.wait_for()

        page.goto(f"{base}/runs/{parent.info.run_id}/artifacts/front/pareto.png")
        page.locator("img[src*='pareto'], img[src^='blob:']").first.wait_for()
        page.screenshot(path=study / "front.png")

        page.goto(f"{base}/runs/{seed.info.run_id}")
        page.get_by_text("test_mpjpe_mm").first.wait_for()
        page.goto(f"{base}/runs/{seed.info.run_id}/model-metrics")
        page.get_by_placeholder("Search metric charts").fill("train_loss_mm")  # charts out of sight aren't drawn
        page.get_by_text("train_loss_mm").last.wait_for()
        page.screenshot(path=study / "curves.png")
        browser.close()
    assert not outside, "the pages asked the network"
