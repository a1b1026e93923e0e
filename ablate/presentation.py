"""What people see of a study: its report, made of the records and of what is known of the run, and whether that was
shown already.

A fingerprint in the home folder says what was shown last, so that a second run of a finished study does nothing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate import __version__, report
from ablate.archive import Archive
from ablate.design import swept
from ablate.errors import InputError, StorageError
from ablate.loading import Study
from ablate.plugin import loaded
from ablate.predictions import Prediction
from ablate.proposals import Proposals
from ablate.provenance import environment
from ablate.records import Record
from ablate.report.about import About
from ablate.standing import Standing
from ablate.tracking import tracking_uri
from ablate.workspace import Workspace
from ablate.writing import write_atomically

if TYPE_CHECKING:
    from ablate.report.claims import Verdict


class Presentation:
    """One study as it is shown. ``notes`` are what this run has to say beside the records."""

    def __init__(self, archive: Archive, workspace: Workspace, notes: Sequence[str] = ()) -> None:
        self._archive = archive
        self._workspace = workspace
        self._notes = notes
        self._fingerprint = workspace.home / "shown" / archive.study.name
        self.page = workspace.reports / archive.study.name / report.PAGE

    def write(self) -> Path:
        """Tables and figures from the records alone; returns the page. Raises InputError while there are no records."""
        records = self._recorded()
        return report.write(records, self._about(records), self.page.parent, _importances)

    def verdicts(self) -> "tuple[Verdict, ...]":
        """The study's claims, judged on what is recorded. Raises InputError while there are no records."""
        records = self._recorded()
        return report.verdicts(records, self._about(records))

    def _recorded(self) -> list[Record]:
        if records := self._archive.records():
            return records
        name, home = self._archive.study.name, self._workspace.home
        raise InputError(f"{name}: nothing is recorded under {home}; `ablate run` it first")

    def still(self) -> bool:
        """Whether the report and MLflow were made of what there is now. Raises StorageError."""
        local = tracking_uri(self._workspace).startswith("sqlite:")
        if not self.page.exists() or (local and not self._workspace.database.exists()):
            return False
        try:
            return self._fingerprint.read_text(encoding="utf-8") == self._now()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageError(f"{self._fingerprint}: can't be read ({error}); delete it, it is made again") from error

    def keep(self) -> None:
        """Say that everything was shown just now. Raises StorageError."""
        write_atomically(self._fingerprint, self._now().encode())

    def _now(self) -> str:
        names, study = self._archive.names(), self._archive.study
        about = self._about(list(self._archive.ledger.load(names[:1])))  # no record changes once it has its name
        said = (__version__, environment(), tracking_uri(self._workspace), study.source.text, study.base, about, names)
        return hashlib.sha256(repr(said).encode()).hexdigest()

    @staticmethod
    def _plugins() -> list[str]:
        return [f"--plugin {Path(plugin.path).name}" for plugin in loaded()]

    def _about(self, records: Sequence[Record]) -> About:
        study, planned = self._archive.study, self._archive.planned
        notes = [*self._notes, *(f"Never started: {c.cell.label} ({c.reason})." for c in self._archive.left_out)]
        pruned = Proposals(self._archive, self._workspace).pruned()
        if pruned:
            notes.append(stopped(study, pruned))
        if compared := Prediction(self._workspace, study.name).comparison():
            notes.append(compared)
        return About(
            name=study.name,
            question=study.file.question,
            baseline=study.file.baseline,
            sweep=swept(study.file),
            report=study.file.report,
            command=" ".join(["ablate run", Path(study.source.path).name, *self._plugins()]),
            planned=planned - len(pruned),
            acknowledgement=records[0].data.get("acknowledge"),
            notes=tuple(notes),
            claims=study.claims,
        )


def _importances(values: Sequence[Mapping[str, Any]], errors: Sequence[float]) -> Mapping[str, float]:
    from ablate.search.importance import importances

    return importances(values, errors)


def stopped(study: Study, pruned: Sequence[Standing]) -> str:
    """What a report without these trials has to say."""
    assert study.file.prune is not None
    trainings, confidence = len({standing.unit for standing in pruned}), 100 * study.file.prune.confidence
    return (
        f"Trainings that were stopped early: {trainings}. Each was at {confidence:g} % confidence that nothing "
        f"evaluated from it would have reached the front; the rows of {len(pruned)} trials are missing."
    )
