"""What the engine itself costs: trials whose work is nothing, so that all the time is claiming, recording, showing."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ablate.archive import Archive
from ablate.bench import Row
from ablate.laboratory import Laboratory
from ablate.ledger import open_ledger
from ablate.mirror import Mirror
from ablate.plan import Trial
from ablate.proposals import Proposals
from ablate.records import Metric, Record, encode
from ablate.source import parse
from ablate.store import Store
from ablate.study import Study, check
from ablate.terminal import Silent
from ablate.work import Job
from ablate.worker import Worker
from ablate.workspace import Workspace

STUDY = """\
name: bench
question: What does the engine cost?
baseline: htp eta 0, steps 1
model: {{name: htp, size: tiny}}
sweep:
  evaluate.eta: {{low: 0.0, high: 0.99, step: 0.01}}
  evaluate.steps: {{low: 1, high: {steps}, step: 1}}
data: {{name: synthetic}}
train: {{mode: elastic}}
"""
TRIALS, SHOWN, LARGE = 1000, 200, 10_000
ACTIONS = 15
ETAS = 100


def study_of(trials: int) -> Study:
    """A study whose cells differ in what inference does, so that one training serves them all."""
    return check(parse(STUDY.format(steps=trials // ETAS), "bench.yaml"))


def record_of(trial: Trial) -> Record:
    """A record as large as that of a real trial."""
    metrics = tuple(
        Metric(
            metric=metric, value=50.0, unit="mm", split=split, input="detector", aggregation="mean", oracle=False,
            protocol="exact", hypotheses=1, step=1, steps=1, action=action,
        )
        for split in ("validation", "test")
        for metric in ("mpjpe", "p_mpjpe", "mpjve")
        for action in ("", *(f"Action {i}" for i in range(ACTIONS)))
    )  # fmt: skip
    when = "2026-01-01T00:00:00+00:00"
    return Record(
        study="bench",
        trial=trial.cell.id,
        seed=trial.seed,
        group=trial.cell.group,
        label=trial.cell.label,
        params=dict(trial.cell.params),
        config=trial.cell.identity,
        training_key="0" * 12,
        metrics=metrics,
        compute={"inference_gmacs": 1.0, "params_m": 0.1},
        curves={"train_loss_mm": [90.0] * 20, "validation_epoch": [20.0], "validation_mpjpe_mm": [70.0]},
        best_epoch=20,
        data={"digest": "0" * 64},
        provenance={"started": when, "finished": when, "seconds_train": 1.0, "seconds_evaluate": 1.0},
        windows={"test": {"recordings": ["P1/Walking 1 camera 1"]}},
        arrays={"test/mpjpe_mm": np.zeros(1000, np.float32)},
    )


class Idle(Laboratory):
    """A laboratory whose work is done at once."""

    def evaluate(self, job: Job, halvings: int = 0) -> Iterator[Record]:
        """One record a trial, of constant content."""
        yield from map(record_of, job.trials)


class Stocked(Store):
    """A store that has all weights."""

    def has(self, key: str) -> bool:
        return True


def engine() -> list[Row]:
    """The rows of ``ablate bench engine``; about two minutes."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        return [*_recording(root / "worker"), *_showing(root / "mirror"), *_opening(root / "large")]


def _recording(home: Path) -> list[Row]:
    """One worker from its first claim to its last record, the plan being made before."""
    study, workspace = study_of(TRIALS), Workspace(home / "home", home / "reports")
    workspace.prepare()
    archive = Archive(study, open_ledger(workspace, study.name))
    resident: list[float] = []
    laboratory = Idle(study.name, Stocked(workspace.home))
    propose = Proposals(archive, workspace).more
    worker = Worker(archive, laboratory, Silent(), propose=propose, on_record=lambda: resident.append(_resident_mb()))
    started = time.perf_counter()
    worker.work()
    spent_ms = 1000 * (time.perf_counter() - started) / TRIALS
    grown = resident[-1] - resident[TRIALS // 10]
    return [
        Row(what=f"claim and record, a trial of {TRIALS}", value=spent_ms, unit="ms", promise=20.0),
        Row(what="memory from a tenth of the trials to the last", value=grown, unit="MB", promise=10.0),
    ]


def _showing(home: Path) -> list[Row]:
    """The mirror in MLflow and Optuna, which no trial waits for."""
    study, workspace = study_of(SHOWN), Workspace(home / "home", home / "reports")
    workspace.prepare()
    archive = Archive(study, open_ledger(workspace, study.name))
    _fill(archive, workspace)
    started = time.perf_counter()
    with Mirror(archive, workspace, lambda text: None):
        pass
    spent_ms = 1000 * (time.perf_counter() - started) / SHOWN
    return [Row(what=f"shown in MLflow and Optuna, a trial of {SHOWN}", value=spent_ms, unit="ms", promise=120.0)]


def _opening(home: Path) -> list[Row]:
    """A large study, from its text to knowing what is left to do."""
    workspace = Workspace(home / "home", home / "reports")
    workspace.prepare()
    _fill(Archive(study_of(LARGE), open_ledger(workspace, "bench")), workspace)
    started = time.perf_counter()
    study = study_of(LARGE)
    archive = Archive(study, open_ledger(workspace, study.name))
    missing = archive.planned - len(archive.names())
    assert missing == 0
    opened = time.perf_counter() - started
    Proposals(archive, workspace).sync()
    first = time.perf_counter() - started
    started = time.perf_counter()
    Proposals(archive, workspace).sync()
    again = time.perf_counter() - started
    return [
        Row(what=f"open a study of {LARGE} recorded trials", value=opened, unit="s", promise=5.0),
        Row(what="the same with an empty Optuna journal filled from its records", value=first, unit="s"),
        Row(what="its search brought up to date when nothing is new", value=again, unit="s", promise=5.0),
    ]


def _fill(archive: Archive, workspace: Workspace) -> None:
    """Records as real ones, without waiting for the disk: what is measured comes later."""
    folder = workspace.records(archive.study.name)
    folder.mkdir(parents=True)
    for trial in archive.planned_trials():
        record = record_of(trial)
        content, arrays = encode(record)
        (folder / f"{record.name}.npz").write_bytes(arrays)
        (folder / f"{record.name}.json").write_bytes(content)


def _resident_mb() -> float:
    """This process's memory now, not at its peak."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
