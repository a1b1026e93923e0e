"""A study from plan to report: what is finished is kept, the rest is run, every face of the records refreshed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ablate import report
from ablate.archive import Archive
from ablate.errors import InputError, NotFinite
from ablate.plan import Cell, Trial, trials
from ablate.records import Record
from ablate.report.about import About
from ablate.search import OBJECTIVES, Search
from ablate.study import Study
from ablate.terminal import Reporter
from ablate.tracking import Tracker
from ablate.workspace import Workspace

if TYPE_CHECKING:
    from ablate.laboratory import Laboratory

PATIENCE = 5  # repeated proposals in a row, in multiples of the trials asked for, until a space counts as searched


@dataclass(frozen=True)
class Outcome:
    """What a run left: the study's records, the report's path, and a line for each trial that failed."""

    records: Sequence[Record]
    report: Path
    failures: Sequence[str] = field(default_factory=tuple)


class Run:
    """One study on one workspace, from one process."""

    def __init__(self, study: Study, workspace: Workspace, reporter: Reporter) -> None:
        workspace.prepare()
        self.study = study
        self.workspace = workspace
        self.reporter = reporter
        self.archive = Archive(study, workspace)
        self.failures: list[str] = []
        if len(self.archive.records()) < self.archive.planned:
            # Data that can't be read are told before any store is touched.
            for cell in self.archive.cells:
                self.laboratory.splits(cell.configuration)
        self.search = Search(study.file, workspace)
        self.tracker = Tracker(study.name, workspace)

    @cached_property
    def laboratory(self) -> "Laboratory":
        """Where trials are run; torch and the data are loaded only when there is work."""
        from ablate.laboratory import Laboratory

        return Laboratory(self.study.name, self.workspace, self.reporter)

    def complete(self, trial: Trial) -> None:
        """Run a trial unless its record is there. One whose numbers aren't finite is noted, and the study goes on."""
        if self.archive.get(trial) is not None:
            return
        started = time.perf_counter()
        name = f"{trial.cell.label}, seed {trial.seed}"
        try:
            record = self.laboratory.run(trial)
        except NotFinite as error:
            self.failures.append(f"{name}: {error}")
            self.reporter.failed(name, str(error))
        else:
            self.archive.add(record)
            self.reporter.finished(record, time.perf_counter() - started)

    def planned_cells(self) -> None:
        """Everything that is known before anything has run, trials of one training next to each other."""
        groups: dict[str, list[Trial]] = {}
        for trial in trials(self.study, self.archive.cells):
            groups.setdefault(trial.cell.training_key(trial.seed), []).append(trial)
        for group in groups.values():
            if any(self.archive.get(trial) is None for trial in group):
                for trial in group:
                    self.complete(trial)
                self.mirror()
        self.show_search(self.archive.cells)

    def sampled_cells(self) -> None:
        """Ask the sampler until the study has its trials; a repeated proposal takes the stored result."""
        wanted = self.study.file.trials or 0
        done = {c.id for c in self.archive.sampled()}
        self.show_search(self.archive.sampled())
        repeats = 0
        while len(done) < wanted and repeats < PATIENCE * wanted:
            proposal, params = self.search.ask()
            cell = self.archive.propose(params)
            repeats = repeats + 1 if cell.id in done else 0
            done.add(cell.id)
            for trial in trials(self.study, [cell]):
                self.complete(trial)
            self.search.tell(proposal, cell.id, self.objectives(cell))
            if not repeats:
                self.mirror()
        if len(done) < wanted:
            self.reporter.note(f"the sampler found only {len(done)} different configurations of {wanted} asked for")

    def objectives(self, cell: Cell) -> tuple[float, float] | None:
        """What Optuna minimises, averaged over seeds; None while a seed is missing."""
        seeds = self.archive.seeds(cell)
        if seeds is None:
            return None
        gmacs = seeds[0].compute[OBJECTIVES[1]]
        assert gmacs is not None  # a closed form: it is always there
        return sum(r.value("mpjpe", "validation") for r in seeds) / len(seeds), gmacs

    def show_search(self, cells: Sequence[Cell]) -> None:
        """Give Optuna what it lacks of the searched space."""
        for cell in cells:
            values = self.objectives(cell)
            if cell.group == self.study.group and values is not None:
                self.search.adopt(cell.id, cell.params, values)

    def mirror(self, *, running: bool = True) -> None:
        records = self.archive.records()
        if records:
            self.tracker.mirror(self.study.file.question, self.archive.planned, records, running=running)


def run(study: Study, workspace: Workspace, reporter: Reporter) -> Outcome:
    """Run what is missing of ``study``, then refresh MLflow and the report.

    Raises InputError for data or folders that can't be used; a training that diverges is told in the outcome. What is
    finished when an exception or Ctrl-C comes is recorded, and shown in MLflow.
    """
    this = Run(study, workspace, reporter)
    reporter.begin(study.name, this.archive.planned, len(this.archive.records()))
    try:
        this.planned_cells()
        if study.file.sampler is not None:
            this.sampled_cells()
    finally:
        reporter.end()
        this.mirror(running=False)
    records = this.archive.records()
    if not records:
        return Outcome(records, workspace.records(study.name), this.failures)
    path = write_report(this.archive, workspace)
    weights = {r.training_key: workspace.weights(r.training_key) for r in records}
    this.tracker.attach(study.source.text, path.parent, weights)
    return Outcome(records, path, this.failures)


def write_report(archive: Archive, workspace: Workspace) -> Path:
    """Tables and figures from the records alone; returns report.md. Raises InputError while there are no records."""
    study, records = archive.study, archive.records()
    if not records:
        raise InputError(f"{study.name}: nothing is recorded under {archive.folder}; `ablate run` it first")
    sweeps = [*study.file.sweep, *(path for variant in study.file.variants.values() for path in variant.sweep)]
    about = About(
        name=study.name,
        question=study.file.question,
        baseline=study.file.baseline,
        sweep=tuple(dict.fromkeys(sweeps)),
        report=study.file.report,
        command=f"ablate run {Path(study.source.path).name}",
        planned=archive.planned,
        acknowledgement=records[0].data.get("acknowledgement"),
    )
    return report.write(records, about, workspace.reports / study.name)
