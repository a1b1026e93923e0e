"""A new user finds the best run within a bound in four clicks, and the table that `ablate ui` names, in a browser."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablate.tracking import studies
from tests.browsing import CHROMIUM, best, opened, table, walk
from tests.conftest import TINY
from tests.serving import free_port, serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None and "ABLATE_CI" not in os.environ, reason="no chromium on this machine"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walk")
    (folder / "s.yaml").write_text(TINY)
    subprocess.run([sys.executable, "-m", "ablate", "run", "s.yaml", "--quiet"], cwd=folder, check=True)
    return folder / ".ablate"


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    port = free_port()
    with serving(["ablate", "ui"], port, home.parent):
        yield f"http://127.0.0.1:{port}"


def test_four_clicks_lead_from_the_studies_to_the_best_run_within_a_bound(home: Path, address: str) -> None:
    with opened() as page:
        outside: list[str] = []
        page.context.on(
            "request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else outside.append(r.url)
        )
        stops: list[str] = []
        run = best(home, "quick", 60.0)
        found = walk(page, address, "quick", run, stops.append)
        assert found.get_by_text(run).first.is_visible()
        assert found.get_by_text("mlflow.pyfunc.load_model").first.is_visible()
        assert stops == ["1_studies", "2_study", "3_description"]
        assert not outside, "the pages asked the network"


def test_the_address_that_is_printed_shows_configurations_by_error(home: Path, address: str) -> None:
    end = studies(f"sqlite:///{home}/mlflow.db")["quick"]
    assert f"quick: {address}/{end}" in (home.parent / "server.log").read_text()
    with opened() as page:
        table(page, address, end)
        page.get_by_text("5 matching runs").wait_for()
        rows = page.locator(".ag-pinned-left-cols-container [role=row] a").all_inner_texts()
    assert rows[0] == best(home, "quick", 1e9)
