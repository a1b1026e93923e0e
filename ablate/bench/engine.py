"""What the engine itself costs: trials whose work is nothing, so that all the time is claiming, recording, showing."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import quantiles

import numpy as np

import ablate.data
from ablate.archive import Archive
from ablate.bench import Row
from ablate.data.config import DataConfig
from ablate.data.skeleton import NAMES
from ablate.data.windows import Splits, Windows
from ablate.evaluate import Evaluation
from ablate.laboratory import Laboratory
from ablate.ledger import open_ledger
from ablate.loading import Study, check
from ablate.mirror import Mirror
from ablate.proposals import Proposals
from ablate.provenance import environment
from ablate.records import Metric, Record, encode
from ablate.schema import Configuration
from ablate.source import parse
from ablate.store import Store
from ablate.terminal import Silent
from ablate.trained import Weights
from ablate.work import Job, jobs
from ablate.worker import Worker
from ablate.workspace import Workspace

STUDY = """\
name: bench
question: What does the engine cost?
baseline: htp eta 0, steps 1
model: {{name: htp, size: tiny}}
sweep:
  evaluate.eta: {{low: 0.0, high: {eta}, step: 0.01}}
  evaluate.steps: {{low: 1, high: {steps}, step: 1}}
data: {{name: synthetic}}
train: {{mode: elastic}}
"""
REPEATS = 3
ACTIONS = 15
WHEN = "2026-01-01T00:00:00+00:00"
CURVES = {"train_loss_mm": [90.0] * 20, "validation_epoch": [20.0], "validation_mpjpe_mm": [70.0]}
FIT = {"curves": CURVES, "best_epoch": 20, "seconds": 1.0}
SPENT = {"started": WHEN, "finished": WHEN, "seconds_train": 1.0, "seconds_evaluate": 1.0}
COMPUTE = {"inference_gmacs": 1.0, "params_m": 0.1}


def study_of(trials: int) -> Study:
    """A study whose cells differ in what inference does, so that one training serves them all. ``trials`` is a multiple
    of ten, from twenty on."""
    steps = trials // 10 if trials <= 1000 else 100
    return check(parse(STUDY.format(eta=(trials // steps - 1) / 100, steps=steps), "bench.yaml"))


class Idle(Laboratory):
    """A laboratory that finds the same in every trial, at once; what it writes down is as long as a real result."""

    def splits(self, configuration: Configuration) -> Splits:
        """Read once a process: each home has a laboratory of its own."""
        return _data(configuration.data, configuration.model.frames)

    def evaluate(self, job: Job, halvings: int = 0) -> Iterator[Record]:
        """One record a trial."""
        splits = self.splits(job.trials[0].cell.configuration)
        found = {"validation": _found(splits.validation, "validation"), "test": _found(splits.test, "test")}
        fitted, provenance = Weights({}, {"fit": json.dumps(FIT)}), {**environment(), **SPENT}
        for trial in job.trials:
            yield self._record(trial, fitted, splits, found, COMPUTE, provenance, {})


class Stocked(Store):
    """A store that has all weights."""

    def has(self, key: str) -> bool:
        return True


@cache
def _data(config: DataConfig, frames: int) -> Splits:
    return ablate.data.load(config, frames, Workspace().home)


def _found(windows: Windows, split: str) -> Evaluation:
    metrics = tuple(
        Metric(
            metric=metric, value=50.0, unit="mm", split=split, input="detector", aggregation="mean", oracle=False,
            protocol="exact", hypotheses=1, step=1, steps=1, action=action,
        )
        for metric in ("mpjpe", "p_mpjpe", "mpjve")
        for action in ("", *(f"Action {i}" for i in range(ACTIONS)))
    )  # fmt: skip
    count = len(windows.view_W)
    errors, frames = np.full(count, 50.0, np.float32), np.ones(count, np.int32)
    joints = np.full(len(NAMES), 50.0, np.float32)
    return Evaluation(metrics=metrics, windows=windows, window_mpjpe_mm=errors, frames=frames, joint_mm=joints)


def engine(quick: bool = False) -> list[Row]:
    """The rows of ``ablate bench engine``; about three minutes, and seconds if it need only be seen to work."""
    trials, large = (20, 30) if quick else (1000, 10_000)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _showing(root / "warm", max(20, trials // 10))  # what is loaded once, whatever the trials, is loaded now
        return [
            *_recording(root / "alone", trials),
            *_showing(root / "beside", trials),
            *_opening(root / "large", large),
        ]


class Desk:
    """All that one worker of a study works with, in a home of its own."""

    def __init__(self, home: Path, trials: int) -> None:
        self.workspace = Workspace(home / "home", home / "reports")
        self.workspace.prepare()
        study = study_of(trials)
        self.archive = Archive(study, open_ledger(self.workspace, study.name))
        self.laboratory = Idle(study.name, Stocked(self.workspace.weights), self.workspace.home)

    def load(self) -> None:
        """Read the data, as every run does before its first trial."""
        self.laboratory.splits(self.archive.cells[0].configuration)

    def work(self, on_record: Callable[[], None] = lambda: None) -> None:
        """Do every trial."""
        propose = Proposals(self.archive, self.workspace).more
        Worker(self.archive, self.laboratory, Silent(), propose=propose, on_record=on_record).work()


def _recording(home: Path, trials: int) -> list[Row]:
    """One worker from one record to the next, and nothing beside it."""
    desk, times = Desk(home, trials), list[float]()
    desk.load()
    desk.work(lambda: times.append(time.perf_counter()))
    return [_row(f"claim and record, one of {trials} trials, without a mirror", _apart_ms(times), "ms", 20.0)]


def _showing(home: Path, trials: int) -> list[Row]:
    """The same while the mirror shows the records in MLflow and Optuna, until all of them are to be seen.

    Memory: every trial has its name in a few lists, and Optuna keeps two kilobytes of each; no record may stay.
    """
    desk, times, resident = Desk(home, trials), list[float](), list[float]()
    desk.load()
    with Mirror(desk.archive, desk.workspace, _no_trouble) as mirror:

        def recorded() -> None:
            times.append(time.perf_counter())
            resident.append(_resident_mb())
            mirror.wake()

        began, computed = time.perf_counter(), time.process_time()
        desk.work(recorded)
        worked = time.perf_counter()
        mirror.settle()
        shown, computed = time.perf_counter(), time.process_time() - computed
        grown = _resident_mb() - resident[trials // 10]
    mean_ms, shown_ms = (1000 * (end - began) / trials for end in (worked, shown))
    return [
        _row(f"claim and record, one of {trials} trials, beside the mirror", _apart_ms(times), "ms", 20.0),
        Row(what="the same, mean", value=mean_ms, unit="ms", promise=20.0),
        Row(what=f"shown in MLflow and Optuna, one of {trials} trials, mean", value=shown_ms, unit="ms", promise=120.0),
        Row(what="processor time of all this, one trial", value=1000 * computed / trials, unit="ms"),
        Row(what="the mirror goes on after the last record", value=shown - worked, unit="s"),
        Row(what="memory, from a tenth of the trials to all of them shown", value=grown, unit="MB", promise=10.0),
    ]


def _opening(home: Path, trials: int) -> list[Row]:
    """A large study, from its text to knowing what is left to do, its search brought up to date."""
    _fill(Desk(home, trials))
    workspace = Workspace(home / "home", home / "reports")
    seconds: list[float] = []
    for _ in range(1 + REPEATS):
        began = time.perf_counter()
        desk = Desk(home, trials)
        assert len(desk.archive.names()) == desk.archive.planned
        Proposals(desk.archive, workspace).sync()
        desk.work()  # nothing is left
        seconds.append(time.perf_counter() - began)
    first, *again = seconds
    what = f"open a study of {trials} recorded trials"
    return [
        _row(f"{what}, from its text to what is left to do", again, "s", 5.0),
        Row(what="the same when its Optuna journal is lost, and made from the records", value=first, unit="s"),
        _row(f"{what} with `ablate status`, a process of its own", _status(home, trials), "s", 5.0),
    ]


def _status(home: Path, trials: int) -> list[float]:
    file = home / "bench.yaml"
    file.write_text(study_of(trials).source.text)
    command = [sys.executable, "-m", "ablate", "--home", str(home / "home"), "status", str(file)]
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - began)
    return seconds


def _fill(desk: Desk) -> None:
    """Records as real ones, without waiting for the disk: what is measured comes later."""
    folder = desk.workspace.records(desk.archive.study.name)
    folder.mkdir(parents=True)
    for job in jobs(desk.archive.planned_trials()):
        for record in desk.laboratory.evaluate(job):
            content, arrays = encode(record)
            (folder / f"{record.name}.npz").write_bytes(arrays)
            (folder / f"{record.name}.json").write_bytes(content)


def _row(what: str, values: Sequence[float], unit: str, promise: float) -> Row:
    low, median, high = quantiles(values, n=4, method="inclusive")
    return Row(what=what, value=median, unit=unit, promise=promise, low=low, high=high)


def _apart_ms(times: Sequence[float]) -> list[float]:
    return [1000 * (later - earlier) for earlier, later in pairwise(times)]


def _no_trouble(note: str) -> None:
    raise AssertionError(note)


def _resident_mb() -> float:
    """This process's memory now, not at its peak."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
