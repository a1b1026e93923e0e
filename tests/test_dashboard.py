"""Optuna's dashboard on what a study has searched: in a real browser, and refused with the mend where it is missing."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ablate.errors import InputError
from ablate.proposals import Proposals
from ablate.search.dashboard import serve
from ablate.workspace import Workspace
from tests.postgres import Server
from tests.serving import free_port, serving
from tests.test_cli import ablate
from tests.test_show import archive

CHROMIUM = shutil.which("chromium")
IN_CI = "ABLATE_CI" in os.environ


def test_where_it_is_not_installed_the_mend_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    with pytest.raises(InputError, match=r"pip install 'pose-ablate\[dashboard\]'"):
        serve(tmp_path / "optuna.journal", 5000)


needs_a_browser = pytest.mark.skipif(CHROMIUM is None and not IN_CI, reason="no chromium on this machine")
needs_the_dashboard = pytest.mark.skipif(
    importlib.util.find_spec("optuna_dashboard") is None and not IN_CI, reason="optuna-dashboard is not installed"
)


def found(folder: Path, options: Sequence[str] = ()) -> None:
    """A person opens the dashboard and finds the study's trials."""
    from playwright.sync_api import sync_playwright

    port = free_port()
    with serving(["ablate", "ui", "--optuna", *options], port, folder, path="/"), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(60_000)
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_text("quick-").first.click()
        page.get_by_text("inference_gmacs").first.wait_for()
        page.screenshot(path=folder / "optuna.png")
        browser.close()


@pytest.mark.slow
@needs_a_browser
@needs_the_dashboard
def test_a_person_finds_the_studys_trials(tmp_path: Path) -> None:
    home = tmp_path / ".ablate"
    Proposals(archive(home), Workspace(home, tmp_path / "reports")).sync()
    found(tmp_path)


@pytest.mark.slow
@needs_a_browser
@needs_the_dashboard
def test_what_several_machines_share_is_found_in_their_database(database: str, tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "one" / ".ablate", tmp_path / "two"
    Proposals(archive(home, database), Workspace(home, tmp_path / "reports", database)).sync()
    elsewhere.mkdir()
    found(elsewhere, ["--storage", database])
    assert not (elsewhere / ".ablate" / "optuna.journal").exists()


@pytest.mark.slow
@needs_the_dashboard
def test_a_database_without_a_study_is_told_as_one(server: Server, tmp_path: Path) -> None:
    done = ablate("ui", "--optuna", "--storage", server.create(), cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "no study was ever run here; correct --storage, or begin with ablate run --storage" in done.stderr
    with server.away():
        away = ablate("ui", "--optuna", "--storage", server.url("test0"), cwd=tmp_path)
    assert away.returncode == 2, away.stderr
    assert "start the server, or correct --storage" in away.stderr
