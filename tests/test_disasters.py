"""What a study lives through: full and read-only disks, a tracking server that is away, clocks that jump, and others
who use the same names and the same database."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from ablate import attempts
from ablate.errors import StorageError
from ablate.ledger import open_ledger
from ablate.loading import Study, check
from ablate.runner import run, sync
from ablate.source import parse
from ablate.terminal import Plain
from ablate.workspace import Workspace
from tests.conftest import ROOT, TINY
from tests.mounting import mounted, remount
from tests.serving import free_port, serving

SHORT = TINY.replace("seeds: [0, 1]", "seeds: [0]").replace("[1.0, 0.6]", "[1.0]")
RECORDS = 3
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)


def study(text: str = SHORT) -> Study:
    return check(parse(text, "quick.yaml"))


def test_a_disk_that_fills_up_ends_the_run_with_the_mend_and_nothing_is_lost(tmp_path: Path) -> None:
    home = tmp_path / "disk"
    with mounted(home, "size=1500k"):
        workspace = Workspace(home, tmp_path / "reports")
        with pytest.raises(StorageError, match=r"No space left|disk is full|can't be written"):
            run(study(), workspace, Plain(quiet=True))
        before = {path: path.read_bytes() for path in (home / "records").rglob("*.json")}
        remount(home, "size=60m")
        outcome = run(study(), workspace, Plain(quiet=True))
        assert len(outcome.records) == RECORDS
        assert {path: path.read_bytes() for path in before} == before


def test_a_store_that_cannot_be_written_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    with mounted(shelf, "size=10m"):
        remount(shelf, "ro")
        workspace = Workspace(tmp_path / "home", tmp_path / "reports", store=str(shelf))
        with pytest.raises(StorageError, match=r"shelf.*can't be written"):
            run(study(), workspace, Plain(quiet=True))
    assert not (tmp_path / "home" / "ledger").exists()


def test_a_clock_that_jumps_back_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = (datetime(2026, 1, 1, tzinfo=UTC) - timedelta(days=day) for day in range(10_000))
    monkeypatch.setattr("ablate.ledger.folder.now", lambda: next(times).isoformat(timespec="seconds"))
    workspace = Workspace(tmp_path / "home", tmp_path / "reports")
    outcome = run(study(), workspace, Plain(quiet=True))
    assert len(outcome.records) == RECORDS
    units = [path.stem for path in (tmp_path / "home" / "ledger" / "quick").iterdir()]
    histories = open_ledger(workspace, "quick").histories(unit for unit in units if "-" in unit)
    assert histories
    for unit, (attempt,) in histories.items():
        assert attempts.refusal([attempt]) is None, unit
        assert attempt.ended < attempt.started  # the clock did jump


def test_two_studies_of_one_name_keep_apart(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home", tmp_path / "reports")
    other = SHORT.replace("[5, 3]", "[4, 3]").replace("Does it run?", "Another question?")
    first = {r.name for r in run(study(), workspace, Plain(quiet=True)).records}
    second = {r.name for r in run(study(other), workspace, Plain(quiet=True)).records}
    assert len(first) == len(second) == RECORDS
    assert len(first & second) == 2  # 3 clusters, and the baseline: the same configurations, done once
    assert {r.name for r in run(study(), workspace, Plain(quiet=True)).records} == first
    assert len(open_ledger(workspace, "quick").names()) == 4


@pytest.mark.slow
def test_a_tracking_server_that_is_away_gets_what_waits_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    server = ["mlflow", "server", "--backend-store-uri", f"sqlite:///{tmp_path}/server.db"]
    server += ["--artifacts-destination", str(tmp_path / "artifacts"), "--host", "127.0.0.1"]
    uri = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (tmp_path / "quick.yaml").write_text(SHORT.replace("epochs: 1", "epochs: 60"))
    workspace = Workspace(tmp_path / "home", tmp_path / "reports")
    with pytest.raises(StorageError, match="MLFLOW_TRACKING_URI"):
        run(study(), workspace, Plain(quiet=True))  # before anything is trained
    with serving(server, port, tmp_path):
        going = subprocess.Popen(
            [sys.executable, "-m", "ablate", "--home", str(workspace.home), "run", "quick.yaml", "--quiet"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        ledger = tmp_path / "home" / "ledger" / "quick"
        while not list(ledger.glob("train-*")):
            assert going.poll() is None
            time.sleep(0.1)
    _, said = going.communicate(timeout=300)
    assert going.returncode == 0, said
    assert "nothing is lost" in said
    with serving(server, port, tmp_path):
        assert sync(check(parse((tmp_path / "quick.yaml").read_text(), "quick.yaml")), workspace, Plain()) == RECORDS
        client = MlflowClient(tracking_uri=uri)
        experiment = client.get_experiment_by_name("quick")
        assert experiment is not None
        found = client.search_runs([experiment.experiment_id])
        assert len(found) == 1 + 2 * RECORDS
        assert {r.info.status for r in found} == {"FINISHED"}
        parent = next(r for r in found if r.data.tags["ablate.kind"] == "study")
        assert "report" in {item.path for item in client.list_artifacts(parent.info.run_id)}
        assert {str(m.status) for m in client.search_logged_models([experiment.experiment_id])} == {"READY"}


@pytest.mark.slow
def test_two_users_of_one_database_keep_apart(tmp_path: Path, database: str) -> None:
    other = SHORT.replace("[5, 3]", "[4, 3]")
    for text in (SHORT, other, SHORT):
        user = tmp_path / ("one" if text == SHORT else "other")
        workspace = Workspace(user / "home", user / "reports", storage=database)
        outcome = run(study(text), workspace, Plain(quiet=True))
        assert not outcome.failures
        assert len(outcome.records) == RECORDS
        client = MlflowClient(tracking_uri=f"sqlite:///{user}/home/mlflow.db")
        experiment = client.get_experiment_by_name("quick")
        assert experiment is not None
        assert len(client.search_runs([experiment.experiment_id])) == 1 + 2 * RECORDS
    assert len(open_ledger(workspace, "quick").names()) == 4
