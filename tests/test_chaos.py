"""Workers killed at random moments: every cell is recorded exactly once, and every face of the records agrees."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from mlflow.tracking import MlflowClient

from ablate.archive import Archive
from ablate.ledger import open_ledger
from ablate.loading import load
from ablate.search import optuna_storage, release
from ablate.search.seen import TRIAL
from ablate.storage import Storage
from ablate.workspace import Workspace
from tests.conftest import ROOT, TINY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
]

CELLS = 54
CHAOS = (
    TINY.replace("name: quick", "name: chaos")
    .replace("baseline: d3dp", "baseline: htp keep_ratio 1, clusters 5, hypotheses 1, steps 1")
    .replace("[1.0, 0.6]", "[1.0, 0.8, 0.6]")
    .replace(
        "[5, 3]\nvariants:\n  d3dp: {set: {model.name: d3dp, train.mode: each}}\nseeds: [0, 1]",
        "[5, 4, 3]\n  evaluate.hypotheses: [1, 2, 5]\n  evaluate.steps: [1, 2]",
    )
    .replace("clip_seconds: 1, cameras: 1", "clip_seconds: 3, cameras: 2")
    .replace("epochs: 1", "epochs: 8")
    .replace("windows: 64", "windows: 512")
)


def children(pid: int) -> Iterator[int]:
    """The worker processes of a run."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                yield int(child)


def kill_some(run: subprocess.Popen[bytes], kills: int, rng: random.Random) -> int:
    """Kill workers of ``run`` at random moments; returns how many before it ended."""
    done = 0
    while done < kills and run.poll() is None:
        time.sleep(rng.uniform(0.5, 3.0))
        try:
            alive = list(children(run.pid))
        except FileNotFoundError:
            continue  # it has just ended
        if alive:
            os.kill(rng.choice(alive), signal.SIGKILL)
            done += 1
    return done


def start(folder: Path, workers: int, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ablate", "--home", str(folder / "home"), "run", str(folder / "chaos.yaml")]
    return subprocess.Popen(
        [*command, "--workers", str(workers), "--tries", "1000", "--quiet", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def agree(folder: Path, storage: str | None) -> None:
    """Records, MLflow and Optuna tell of the same 54 trials, and nothing is left open."""
    study = load(str(folder / "chaos.yaml"))
    workspace = Workspace(folder / "home", folder / "reports", storage=storage)
    archive = Archive(study, open_ledger(workspace, "chaos"))
    names = archive.names()
    assert len(names) == len(set(names)) == CELLS == archive.planned
    assert archive.ledger.names() == set(names)
    assert len(list(archive.ledger.load(names))) == CELLS
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/home/mlflow.db")
    experiment = client.get_experiment_by_name("chaos")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(r.data.tags["ablate.id"] for r in runs if r.data.tags["ablate.kind"] == "seed") == sorted(names)
    assert len(runs) == 1 + 2 * CELLS
    place = optuna_storage(workspace.journal if storage is None else Storage.parse(storage).search_url)
    (search,) = optuna.get_all_study_names(storage=place)
    trials = optuna.load_study(study_name=search, storage=place).get_trials(deepcopy=False)
    assert {t.state.name for t in trials} == {"COMPLETE"}
    assert sorted(t.user_attrs[TRIAL] for t in trials) == sorted(names)
    release(place)


def chaos(folder: Path, workers: int, kills: int, storage: str | None) -> None:
    """Kill workers, then the run itself, then workers of the run that goes on from there."""
    (folder / "chaos.yaml").write_text(CHAOS)
    options = [] if storage is None else ["--storage", storage]
    rng = random.Random(workers)
    first = start(folder, workers, *options)
    done = kill_some(first, kills // 2, rng)
    first.kill()
    first.wait()
    while done < kills:
        again = start(folder, workers, *options)
        killed = kill_some(again, kills - done, rng)
        assert killed, "it finished before a worker could be killed: give it more to do"
        done += killed
        assert again.wait(timeout=900) == 0
    assert done >= kills
    agree(folder, storage)


def test_four_workers_on_the_journal(tmp_path: Path) -> None:
    chaos(tmp_path, workers=4, kills=12, storage=None)


def test_eight_workers_on_postgresql(tmp_path: Path, database: str) -> None:
    chaos(tmp_path, workers=8, kills=12, storage=database)
