"""A study from plan to report: what is finished is kept, the rest is run, every face of the records refreshed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ablate.data
from ablate.archive import Archive
from ablate.attempts import TRIES
from ablate.budget import Trim
from ablate.crew import Crew, Order, prepare
from ablate.ledger import open_ledger
from ablate.loading import Study
from ablate.mirror import Mirror
from ablate.predictions import Prediction
from ablate.presentation import Presentation, stopped
from ablate.proposals import Proposals
from ablate.records import Record
from ablate.scheduled import Launcher, Scheduled
from ablate.standing import given_up, overview
from ablate.store import Store
from ablate.terminal import Reporter
from ablate.work import jobs
from ablate.workspace import Workspace

POLL_S = 0.5  # how often the worker processes are looked at


@dataclass(frozen=True)
class Outcome:
    """What a run left: the study's records, the report's path, and a line for each trial that failed."""

    records: Sequence[Record]
    report: Path
    failures: Sequence[str] = field(default_factory=tuple)


def run(
    study: Study,
    workspace: Workspace,
    reporter: Reporter,
    *,
    workers: int = 1,
    tries: int = TRIES,
    launcher: Launcher | None = None,
    trim: Trim | None = None,
) -> Outcome:
    """Run what is missing of ``study``, or what ``trim`` left of it, then refresh MLflow, Optuna and the report.

    With one worker everything happens in this process, with more each has a process of its own, and with ``launcher``
    each is a job of a scheduler. Raises InputError for data or folders that can't be used; a trial that fails is told
    in the outcome, the others go on. What is finished when an exception or Ctrl-C comes is recorded, and shown in
    MLflow.
    """
    began, trim = time.monotonic(), trim or Trim(study)
    prepare(workspace)
    archive = Archive(trim.study, open_ledger(workspace, trim.study.name), trim.cells)
    archive.ledger.send()
    finished, shown = len(archive.names()), Presentation(archive, workspace, trim.said)
    if finished == archive.planned and shown.still():
        reporter.note("finished and shown already; `ablate report` and `ablate sync` show it again")
        return Outcome(archive.records(), shown.page)
    proposals, store = Proposals(archive, workspace, tries), Store(workspace.weights)
    order = replace(Order.of(trim.study, workspace, tries, workers), trimmed=trim.cells)
    hands = _hands(order, archive, store, proposals, reporter, launcher)
    with Mirror(archive, workspace, reporter.note) as mirror:
        reporter.begin(trim.study.name, archive.planned, finished)
        for line in (*trim.said, *(f"never started: {c.cell.label}: {c.reason}" for c in archive.left_out)):
            reporter.note(line)
        try:
            hands(mirror.wake)
        finally:
            reporter.end()
            mirror.settle()
        failures = _failures(archive, proposals, reporter, tries)
        names = archive.names()
        if not names:
            return Outcome([], workspace.records(trim.study.name), failures)
        if launcher is None:  # what was predicted is the time on this machine
            took = time.monotonic() - began
            Prediction(workspace, trim.study.name).ended(len(names) - finished, workers, took)
        records = _show(shown, mirror, archive, store)
    return Outcome(records, shown.page, failures)


def _failures(archive: Archive, proposals: Proposals, reporter: Reporter, tries: int) -> list[str]:
    """A line for each trial that failed; what was stopped early or could not be proposed is told at once."""
    if pruned := proposals.pruned():
        reporter.note(stopped(archive.study, pruned))
    if shortfall := proposals.shortfall():
        reporter.note(shortfall)
    over = given_up(proposals.known_trials(), archive.ledger, tries)
    return [f"{s.trial.cell.label}, seed {s.trial.seed}: {s.reason}" for s in over if s.state == "failed"]


def _show(shown: Presentation, mirror: Mirror, archive: Archive, store: Store) -> Sequence[Record]:
    """Write the report, and put it and the weights beside the records in MLflow."""
    page, records = shown.write(), archive.records()
    if mirror.attach(archive.study.source.text, page.parent, store, {record.training_key for record in records}):
        shown.keep()
    return records


Hands = Callable[[Callable[[], None]], None]  # do the work, and say when there is something new to show


def _none(wake: Callable[[], None]) -> None:
    """Everything is done."""


def _hands(
    order: Order,
    archive: Archive,
    store: Store,
    proposals: Proposals,
    reporter: Reporter,
    launcher: Launcher | None,
) -> Hands:
    """Who does what is left to do."""
    if len(archive.names()) == archive.planned:
        return _none
    store.prepare()
    if order.workers > 1 or launcher is not None:
        return _together(order, archive, reporter, launcher)
    return _alone(order, archive, store, proposals, reporter)


def _alone(order: Order, archive: Archive, store: Store, proposals: Proposals, reporter: Reporter) -> Hands:
    """The only worker of this run. Data that can't be read are told here, before any store is touched."""
    from ablate.laboratory import Laboratory
    from ablate.worker import Worker

    laboratory = Laboratory(archive.study.name, store, order.workspace.home, bar=reporter.bar)
    for cell in archive.cells:
        laboratory.splits(cell.configuration)

    def work(wake: Callable[[], None]) -> None:
        propose, tries = proposals.more, order.tries
        Worker(archive, laboratory, reporter, propose=propose, tries=tries, on_record=wake).work()

    return work


def _together(order: Order, archive: Archive, reporter: Reporter, launcher: Launcher | None) -> Hands:
    """Worker processes or jobs, watched from here. Data that can't be read are told first, as by one worker."""
    for data, frames in {(c.configuration.data, c.configuration.model.frames) for c in archive.cells}:
        ablate.data.load(data, frames, order.workspace.home, bar=reporter.bar)

    def work(wake: Callable[[], None]) -> None:
        limit = order.tries * archive.planned
        crew = Crew(order, limit) if launcher is None else Scheduled(order, limit, launcher)
        watch = Watch(archive, reporter, wake)
        crew.start()
        try:
            while crew.watch():
                watch.look()
                time.sleep(POLL_S)
        finally:
            crew.stop()
            watch.look()

    return work


class Watch:
    """What other processes do, told as if it were done here."""

    def __init__(self, archive: Archive, reporter: Reporter, wake: Callable[[], None]) -> None:
        self._archive = archive
        self._reporter = reporter
        self._wake = wake
        self._seen = set(archive.names())
        there = self._seen
        missing = [trial for trial in archive.planned_trials() if trial.name not in there]
        self._trainings = {job.training.unit: job.training for job in jobs(missing)}

    def look(self) -> None:
        """Tell what is new since the last look."""
        new = [name for name in self._archive.names() if name not in self._seen]
        for record in self._archive.ledger.load(new):
            self._reporter.finished(record)
        if new:
            self._seen.update(new)
            self._wake()
        for unit, history in self._archive.ledger.histories(self._trainings).items():
            last, label = history[-1], self._trainings[unit].label
            if last.outcome is None:
                self._reporter.training(label, last.done, last.total, last.note)
            elif last.outcome in ("done", "pruned"):
                self._reporter.trained(label)
                del self._trainings[unit]
                if last.outcome == "pruned":
                    self._reporter.note(f"stopped early: {label}: {last.reason}")


def status(study: Study, workspace: Workspace, tries: int = TRIES) -> dict[str, Any]:
    """How the study stands; see standing.overview. Raises StorageError."""
    archive = Archive(study, open_ledger(workspace, study.name))
    return overview(archive, Proposals(archive, workspace, tries).known_trials(), tries)


def retry(study: Study, workspace: Workspace, tries: int = TRIES) -> int:
    """Let what failed be tried again by the next run, and what was stopped early be trained to its end; returns how
    many trials that are. Raises StorageError."""
    archive = Archive(study, open_ledger(workspace, study.name))
    found = given_up(Proposals(archive, workspace, tries).known_trials(), archive.ledger, tries)
    archive.ledger.forgive({standing.unit for standing in found})
    return len(found)


def sync(study: Study, workspace: Workspace, reporter: Reporter) -> int:
    """Show every record in MLflow and Optuna, in the database those that wait in the home folder, and the report.

    Returns how many records there are. Raises StorageError where one of them can't be reached.
    """
    prepare(workspace)
    archive = Archive(study, open_ledger(workspace, study.name))
    archive.ledger.send()
    with Mirror(archive, workspace, reporter.note) as mirror:
        mirror.settle()
        if archive.names():
            _show(Presentation(archive, workspace), mirror, archive, Store(workspace.weights))
        if mirror.trouble is not None:
            raise mirror.trouble
    return len(archive.names())
