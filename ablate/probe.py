"""How long each kind of a study's work takes on this machine: the real code on real windows, for about a second each.

MACs alone do not tell time: small networks wait for memory and for Python, pruned ones gather and interpolate. So of
each kind of work the cheapest and the dearest are timed, and what lies between is interpolated over MACs.
"""

import tempfile
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import torch

import models
from ablate.compute import measure
from ablate.costing import cost_of
from ablate.data.windows import Windows
from ablate.evaluate import evaluate_counts
from ablate.laboratory import VALIDATION, Laboratory, compute_device
from ablate.schema import Configuration
from ablate.sections import EvaluateConfig
from ablate.store import Store
from ablate.strip import strip
from ablate.trained import Checkpoint
from ablate.work import Job, Training

if TYPE_CHECKING:
    from ablate.train import Epoch
    from models.contract import Lifter

TIMED_S = 1.0  # how long one measurement is repeated
LONG_S = 5.0  # in which what only the first run does (libraries load, buffers are made) no longer counts
STEPS = 4  # of one timed epoch
BATCHES = 2  # of one timed evaluation
ENDLESS = 1_000_000  # epochs: what is timed stops by itself

T = TypeVar("T")
Seconds = tuple[float, ...]


class Probe:
    """Times work on a laboratory's data. Writes nothing but a temporary checkpoint. ``threads`` are a worker's."""

    def __init__(self, laboratory: Laboratory, threads: int) -> None:
        self._laboratory = laboratory
        self._threads = threads

    def trainings(self, trainings: Iterable[Training]) -> Callable[[Training], float]:
        """Times their kinds; what is returned gives the seconds of any of them."""

        def kind(training: Training) -> Hashable:
            configuration = training.cell.training_configuration
            return prunes(configuration), configuration.train.batch, configuration.train.precision

        def size(training: Training) -> float:
            return cost_of(training.cell.training_configuration).training_gmacs

        with self._worker():
            rates = _interpolated(list(trainings), kind, size, self._training)

        def seconds(training: Training) -> float:
            configuration, (window, epoch, validated) = training.cell.training_configuration, rates(training)
            train = configuration.train
            own = self.windows(configuration) * window + epoch
            validations = -(-train.epochs // train.validate_every)
            count = len(self._laboratory.splits(configuration).validation)
            return train.epochs * own + validations * count * validated

        return seconds

    def jobs(self, jobs: Iterable[Job]) -> Callable[[Job], float]:
        """As ``trainings``, for what evaluates and measures."""

        def kind(job: Job) -> Hashable:
            how = job.trials[0].cell.configuration.evaluate
            sampled = _counts(job), how.steps, how.flip, how.precision, how.batch
            return prunes(job.trials[0].cell.configuration), *sampled

        with self._worker():
            rates = _interpolated(list(jobs), kind, self.window_gmacs, self._job)

        def seconds(job: Job) -> float:
            window, trial = rates(job)
            return self.evaluated(job) * window + len(job.trials) * trial

        return seconds

    def windows(self, configuration: Configuration) -> int:
        """Windows of one epoch of training."""
        there, most = len(self._laboratory.splits(configuration).train), configuration.train.windows
        return there if most is None else min(there, most)

    def evaluated(self, job: Job) -> int:
        """Windows that one run of the sampler lifts, over both splits."""
        first = job.trials[0].cell.configuration
        splits, most = self._laboratory.splits(first), first.evaluate.cameras
        both = (splits.validation, splits.test)
        return sum(len(windows if most is None else windows.first_cameras(most)) for windows in both)

    def window_gmacs(self, job: Job) -> float:
        """Of lifting one window with as many hypotheses as the job runs."""
        first = job.trials[0].cell.configuration
        how = replace(first.evaluate, hypotheses=max(_counts(job)))
        return cost_of(first.model_copy(update={"evaluate": how})).inference_gmacs

    @contextmanager
    def _worker(self) -> Iterator[None]:
        """As many threads as each of several workers has."""
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def _training(self, training: Training) -> Seconds:
        """Seconds a trained window, for the rest of an epoch (its checkpoint), and a validated window."""
        from ablate.train import fit  # see Laboratory: a library that is long to load

        configuration = training.cell.training_configuration
        splits, lifter = self._laboratory.splits(configuration), models.build(configuration.model, seed=0)
        count = min(self.windows(configuration), STEPS * configuration.train.batch)
        config = replace(configuration.train, epochs=ENDLESS, windows=count)
        stopwatch = _Epochs(count)
        with tempfile.TemporaryDirectory() as folder:
            store = Store(folder)
            store.prepare()

            def keep(checkpoint: Checkpoint) -> None:
                store.save_checkpoint(training.key, checkpoint)

            with suppress(_Enough):
                fit(
                    lifter,
                    splits.train,
                    config=config,
                    seed=training.seed,
                    validate=lambda _: 1.0,
                    on_epoch=stopwatch.ended,
                    on_checkpoint=keep,
                )
        validated = self._evaluation(configuration, splits.validation, VALIDATION, (1,))
        return stopwatch.window_s, stopwatch.rest_s, validated

    def _job(self, job: Job) -> Seconds:
        """Seconds a lifted window, and for what is measured of each trial."""
        first = job.trials[0].cell.configuration
        windows, lifter = self._laboratory.splits(first).test, models.build(first.model, seed=0)
        lifted = self._evaluation(first, windows, first.evaluate, _counts(job))
        device = compute_device(first.train)

        def meta() -> "Lifter":
            with torch.device("meta"):
                return models.build(first.model)

        def work() -> None:
            measure(lifter, cost_of(first), first.evaluate, first.measure, build_on_meta=meta, device=device)
            strip(lifter.cpu(), windows)

        return lifted, _seconds(work)

    def _evaluation(
        self, configuration: Configuration, windows: Windows, how: EvaluateConfig, counts: tuple[int, ...]
    ) -> float:
        lifter, few = models.build(configuration.model, seed=0), _first(windows, BATCHES * how.batch)
        work = partial(
            evaluate_counts,
            lifter,
            few,
            replace(how, cameras=None),
            counts,
            seed=0,
            split="test",
            input=configuration.data.input,
            device=compute_device(configuration.train),
        )
        return _seconds(work) / len(few)


def prunes(configuration: Configuration) -> bool:
    """Whether a pass leaves anything out. Where everything is kept the same network is dense, and runs otherwise."""
    model = configuration.model
    dense = configuration.model_copy(update={"model": replace(model, pruning=None)})
    return configuration.train.mode == "elastic" or cost_of(configuration).pass_gmacs < cost_of(dense).pass_gmacs


class _Enough(Exception):
    """Ends a timed training."""


class _Epochs:
    """Times epochs of ``count`` windows from within a training; the first is left out. Ends it after TIMED_S."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._began: float | None = None
        self._last = 0.0
        self._passes: list[float] = []

    def ended(self, epoch: "Epoch") -> None:
        self._last = time.perf_counter()
        if self._began is None:
            self._began = self._last
            return
        self._passes.append(self._count / epoch.windows_per_s)
        if self._last - self._began > TIMED_S:
            raise _Enough

    @property
    def window_s(self) -> float:
        return sum(self._passes) / len(self._passes) / self._count

    @property
    def rest_s(self) -> float:
        assert self._began is not None
        return (self._last - self._began - sum(self._passes)) / len(self._passes)


def _counts(job: Job) -> tuple[int, ...]:
    return tuple(trial.cell.configuration.evaluate.hypotheses for trial in job.trials)


def _first(windows: Windows, count: int) -> Windows:
    return replace(
        windows,
        view_W=windows.view_W[:count],
        start_W=windows.start_W[:count],
        counted_WF=windows.counted_WF[:count],
    )


def _seconds(work: Callable[[], object]) -> float:
    """The mean of as many runs as fit into TIMED_S, of one at least, after one that warms up; the first where it is
    long by itself."""
    began, runs = time.perf_counter(), 0
    work()
    if (passed := time.perf_counter() - began) > LONG_S:
        return passed
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < TIMED_S or not runs:
        work()
        runs += 1
    return passed / runs


def _interpolated(
    items: list[T], kind: Callable[[T], Hashable], size: Callable[[T], float], clock: Callable[[T], Seconds]
) -> Callable[[T], Seconds]:
    """Times the smallest and the largest of each kind; gives what lies between in proportion."""
    ends: dict[Hashable, dict[float, Seconds]] = {}
    for own in dict.fromkeys(map(kind, items)):
        group = sorted((item for item in items if kind(item) == own), key=size)
        ends[own] = {size(item): clock(item) for item in (group[0], *group[-1:])}
    return lambda item: _between(ends[kind(item)], size(item))


def _between(ends: dict[float, Seconds], size: float) -> Seconds:
    (low, first), (high, last) = min(ends.items()), max(ends.items())
    share = (size - low) / (high - low) if high > low else 0.0
    return tuple(a + share * (b - a) for a, b in zip(first, last, strict=True))
