"""Fresh homes that many processes open at the same moment, and stores whose maker was killed: nobody stumbles."""

import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path

import optuna
import pytest
from mlflow.tracking import MlflowClient

from ablate.archive import Archive
from ablate.bench.engine import Idle, Stocked
from ablate.crew import prepare
from ablate.ledger import open_ledger
from ablate.loading import Study, check
from ablate.mirror import Mirror
from ablate.proposals import Proposals
from ablate.search import optuna_storage
from ablate.search.seen import TRIAL
from ablate.source import parse
from ablate.terminal import Silent
from ablate.tracking import make_store
from ablate.work import jobs
from ablate.worker import Worker
from ablate.workspace import Workspace
from tests.conftest import ROOT

WORKERS, HOMES, CELLS = 8, 20, 4
STUDIES = ("first", "second")
TEXT = """\
name: {name}
question: Who is there first?
baseline: htp steps 1
model: {{name: htp, size: tiny}}
sweep:
  evaluate.steps: [1, 2, 3, 4]
data: {{name: synthetic}}
train: {{mode: elastic}}
"""
# What every worker would load by itself for seconds.
LOADED = ["tests.test_opening", "mlflow.store.tracking.sqlalchemy_store"]


def study(name: str) -> Study:
    return check(parse(TEXT.format(name=name), f"{name}.yaml"))


def place(home: Path) -> Workspace:
    return Workspace(home, home.parent / "reports")


def only_another(note: str) -> None:
    """Of all that a mirror may have to say, this alone is no trouble."""
    assert note.startswith("another run of this study shows its records"), note


def take_part(name: str, homes: Sequence[Path], barrier: Barrier) -> None:
    """One worker: everything that `ablate run` opens, and trials without any work, in one home after another."""
    own = study(name)
    for home in homes:
        barrier.wait(300)
        workspace = place(home)
        prepare(workspace)
        archive = Archive(own, open_ledger(workspace, name))
        archive.ledger.send()
        store = Stocked(workspace.weights)
        store.prepare()
        propose = Proposals(archive, workspace).more
        with Mirror(archive, workspace, only_another) as mirror:
            Worker(archive, Idle(name, store, home), Silent(), propose=propose, on_record=mirror.wake).work()


def agree(home: Path, name: str) -> None:
    """The study's records were made once each, and MLflow and Optuna tell of the same."""
    workspace = place(home)
    archive = Archive(study(name), open_ledger(workspace, name))
    names = archive.names()
    assert len(names) == CELLS == archive.planned
    assert archive.ledger.names() == set(names)
    histories = archive.ledger.histories(job.unit for job in jobs(archive.planned_trials()))
    assert [[a.outcome for a in history] for history in histories.values()] == [["done"]] * CELLS
    client = MlflowClient(tracking_uri=f"sqlite:///{workspace.database}")
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(runs) == 1 + 2 * CELLS
    assert sorted(r.data.tags["ablate.id"] for r in runs if r.data.tags["ablate.kind"] == "seed") == sorted(names)
    storage = optuna_storage(workspace.journal)
    (search,) = (s for s in optuna.get_all_study_names(storage=storage) if s.startswith(name))
    trials = optuna.load_study(study_name=search, storage=storage).get_trials(deepcopy=False)
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    assert sorted(trial.user_attrs[TRIAL] for trial in trials) == sorted(names)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where there is such a place: MLflow flushes each of its many tables to the disk."""
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=place if place.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.slow
def test_eight_workers_of_two_studies_open_fresh_homes_at_once(memory: Path) -> None:
    homes = [memory / str(number) / "home" for number in range(HOMES)]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    barrier = context.Barrier(WORKERS)
    workers = [context.Process(target=take_part, args=(STUDIES[index % 2], homes, barrier)) for index in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * WORKERS
    for home in homes:
        for name in STUDIES:
            agree(home, name)


def test_a_store_whose_maker_was_killed_is_made_by_the_next(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    script = f"from ablate.tracking import make_store; make_store({uri!r})"
    maker = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not any(path.stat().st_size for path in tmp_path.rglob("mlflow.db")):  # its tables have been begun
        assert time.monotonic() < deadline
        time.sleep(0.01)
    maker.kill()
    assert maker.wait() < 0
    make_store(uri)
    client = MlflowClient(tracking_uri=uri)
    assert client.search_runs([client.create_experiment("whole")]) == []
    assert not list(tmp_path.glob(".*.making"))
