"""Optuna's dashboard on what a study has searched: in a real browser, and refused with the mend where it is missing."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

from ablate.errors import InputError
from ablate.proposals import Proposals
from ablate.search.dashboard import serve
from ablate.workspace import Workspace
from tests.serving import free_port, serving
from tests.test_show import archive

CHROMIUM = shutil.which("chromium")
IN_CI = "ABLATE_CI" in os.environ


def test_where_it_is_not_installed_the_mend_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    with pytest.raises(InputError, match=r"pip install 'pose-ablate\[dashboard\]'"):
        serve(tmp_path / "optuna.journal", 5000)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None and not IN_CI, reason="no chromium on this machine")
@pytest.mark.skipif(
    importlib.util.find_spec("optuna_dashboard") is None and not IN_CI, reason="optuna-dashboard is not installed"
)
def test_a_person_finds_the_studys_trials(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    home = tmp_path / ".ablate"
    Proposals(archive(home), Workspace(home, tmp_path / "reports")).sync()
    port = free_port()
    with serving(["ablate", "ui", "--optuna"], port, tmp_path, path="/"), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(60_000)
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_text("quick-").first.click()
        page.get_by_text("inference_gmacs").first.wait_for()
        page.screenshot(path=tmp_path / "optuna.png")
        browser.close()
