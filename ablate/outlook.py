"""What a study has yet to do, and what that will take on this machine: from its plan, its store and a short probe."""

import heapq
import os
import resource
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from ablate.archive import Archive
from ablate.costing import cost_of, known_compute
from ablate.data import Bar
from ablate.design import sweep_values
from ablate.laboratory import Laboratory, compute_device
from ablate.loading import Study
from ablate.plan import Trial, sampled_cell, trials
from ablate.probe import Probe
from ablate.provenance import device_name
from ablate.quantities import broken
from ablate.seeds import stream
from ablate.store import Store
from ablate.work import Job, Training, jobs

SPREAD = 1.3  # what other use of a machine makes of a prediction, either way
START_S = 10.0  # loading libraries, opening MLflow's store, writing the report: once a run
RECORD_S = 0.1  # keeping a record and showing it in MLflow
WORKER_S = 8.0  # a process of its own loads its libraries first
DRAWS = 50  # at stand-ins for each that is wanted, before a small space counts as exhausted
PASSES = 3.0  # a training step's MACs in forward passes: the backward pass counts as two
TERA = 1000.0


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """``trials`` of the whole study are ``recorded`` or ``open``; the open ones need ``trainings``, besides those
    ``stored``, and ``runs`` of the sampler. Of a sampler's trials, ``searched``, cells spread over its space stand in.

    ``training_tmacs`` and ``evaluation_tmacs`` count a training step as three forward passes. ``seconds`` are low,
    likely and high, with ``workers`` on this ``machine``; ``memory_mb`` is that of all workers, in 1e6 bytes.
    """

    study: str
    configurations: int
    trials: int
    recorded: int
    open: int
    searched: int
    trainings: int
    stored: int
    runs: int
    training_tmacs: float
    evaluation_tmacs: float
    seconds: tuple[float, float, float]
    workers: int
    memory_mb: float
    machine: str
    probe_s: float
    left_out: Mapping[str, str]


class Forecast:
    """Times a study's open work once, then says how long any part of it takes. Raises DataError, StorageError."""

    def __init__(self, archive: Archive, store: Store, home: Path, workers: int = 1, bar: Bar | None = None) -> None:
        """``home`` and ``bar``: see Laboratory."""
        began = time.perf_counter()
        self._archive = archive
        self._workers = workers
        there = archive.ledger.names()
        self.planned = [trial for trial in archive.planned_trials() if trial.name not in there]
        self.searched = list(_stand_ins(archive))
        work = jobs(self.open)
        trainings = {job.training.key: job.training for job in work}
        self._stored = {key for key in trainings if store.has(key)}
        cores = len(os.sched_getaffinity(0))
        self._probe = Probe(
            Laboratory(archive.study.name, store, home, bar=bar),
            torch.get_num_threads() if workers == 1 else max(1, cores // workers),
        )
        self._training_s = self._probe.trainings(t for key, t in trainings.items() if key not in self._stored)
        self._job_s = self._probe.jobs(work)
        self._machine = f"{device_name(compute_device(archive.cells[0].configuration.train))}, {cores} cores"
        self._probe_s = time.perf_counter() - began

    @property
    def open(self) -> list[Trial]:
        return [*self.planned, *self.searched]

    def seconds(self, some: Iterable[Trial]) -> float:
        """The likely wall time of a run of these open trials, its start and its report included."""
        work = jobs(some)
        trainings = [self._training_s(training) for training in self._untrained(work)]
        evaluations = [self._job_s(job) + RECORD_S * len(job.trials) for job in work]
        start = START_S + (WORKER_S if self._workers > 1 and work else 0.0)
        return start + _together(trainings, self._workers) + _together(evaluations, self._workers)

    def outlook(self, missing: Sequence[Trial]) -> Outlook:
        """Of these open trials."""
        archive, searched = self._archive, {trial.name for trial in self.searched}
        recorded = archive.planned - len(self.open)
        waiting = {trial.name for trial in self.planned}
        cells = {t.cell.id for t in archive.planned_trials() if t.name not in waiting} | {t.cell.id for t in missing}
        work = jobs(missing)
        untrained, likely = self._untrained(work), self.seconds(missing)
        return Outlook(
            study=archive.study.name,
            configurations=len(cells),
            trials=recorded + len(missing),
            recorded=recorded,
            open=len(missing),
            searched=sum(trial.name in searched for trial in missing),
            trainings=len(untrained),
            stored=len({job.training.key for job in work}) - len(untrained),
            runs=len(work),
            training_tmacs=sum(map(self._training_gmacs, untrained)) / TERA,
            evaluation_tmacs=sum(self._probe.evaluated(j) * self._probe.window_gmacs(j) for j in work) / TERA,
            seconds=(likely / SPREAD, likely, likely * SPREAD),
            workers=self._workers,
            memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1.024e-3 * self._workers,
            machine=self._machine,
            probe_s=self._probe_s,
            left_out={left.cell.label: left.reason for left in archive.left_out},
        )

    def _untrained(self, work: Sequence[Job]) -> list[Training]:
        trainings = {job.training.key: job.training for job in work}
        return [training for key, training in trainings.items() if key not in self._stored]

    def _training_gmacs(self, training: Training) -> float:
        configuration = training.cell.training_configuration
        windows = configuration.train.epochs * self._probe.windows(configuration)
        return PASSES * windows * cost_of(configuration).training_gmacs


def _stand_ins(archive: Archive) -> Iterator[Trial]:
    """For the trials that a sampler has yet to propose: different ones drawn from its space."""
    study, known = archive.study, archive.sampled_trials() if archive.study.file.sampler else []
    missing = archive.planned - len(archive.planned_trials()) - len(known)
    rng, met = stream(0, "outlook", study.name), {trial.name for trial in known}
    for _ in range(DRAWS * missing):
        params = {path: values[rng.integers(len(values))] for path, values in _columns(study).items()}
        try:
            drawn = sampled_cell(study, params)
        except ValidationError:
            continue  # the sampler leaves it out as well
        fresh = next((trial for trial in trials(study, [drawn]) if trial.name not in met), None)
        if fresh is not None and not broken(
            [c for c in study.constraints if c.known], known_compute(drawn.configuration)
        ):
            met.add(fresh.name)
            yield fresh
            missing -= 1
        if not missing:
            return


def _columns(study: Study) -> dict[str, list[Any]]:
    return {path: list(sweep_values(values)) for path, values in study.file.sweep.items()}


def _together(seconds: Sequence[float], workers: int) -> float:
    """When the last of several workers is done, each taking the next piece as soon as it is free."""
    free = [0.0] * workers
    for own in seconds:
        heapq.heappush(free, heapq.heappop(free) + own)
    return max(free)
