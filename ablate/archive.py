"""What a study has so far: its planned cells, and the records in a ledger that belong to it as it stands."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ablate.ledger import Ledger
from ablate.loading import Study
from ablate.plan import LeftOut, Trial, planned, sampled_cell, trials
from ablate.records import Record


class Archive:
    """One study's cells and records. Raises StudyError for cells that clash. Records stay where they are, so that what
    other workers add is seen at the next question. ``trimmed`` are cells to leave out, by id with the reason."""

    def __init__(self, study: Study, ledger: Ledger, trimmed: Mapping[str, str] = MappingProxyType({})) -> None:
        self.study = study
        self.ledger = ledger
        cells, left_out = planned(study)
        self.cells = tuple(cell for cell in cells if cell.id not in trimmed)
        self.left_out = (*left_out, *(LeftOut(cell, trimmed[cell.id]) for cell in cells if cell.id in trimmed))
        self._sampled: dict[str, bool] = {}  # by name: whether a record that was not planned is a sampler's

    @property
    def planned(self) -> int:
        """Records of the finished study: known cells with every seed, and the trials that a sampler is to propose."""
        sampled = self.study.file.trials or 0 if self.study.file.sampler else 0
        return len(self.cells) * len(self.study.file.seeds) + sampled

    def planned_trials(self) -> Sequence[Trial]:
        """What is known before anything has run."""
        return trials(self.study, self.cells)

    def sampled_trials(self) -> list[Trial]:
        """A sampler's proposals that are recorded."""
        known = {trial.name for trial in self.planned_trials()}
        sampled = self.ledger.load(name for name in self.names() if name not in known)
        return [Trial(sampled_cell(self.study, record.params), record.seed) for record in sampled]

    def names(self) -> list[str]:
        """The records of this study, in the plan's order; those of a sampler's proposals follow."""
        order = {trial.name: i for i, trial in enumerate(self.planned_trials())}
        there = self.ledger.names()
        own = sorted(there & order.keys(), key=order.__getitem__)
        if self.study.file.sampler is None:
            return own
        unknown = sorted(there - order.keys() - self._sampled.keys())
        self._sampled.update({record.name: self._is_sampled(record) for record in self.ledger.load(unknown)})
        return own + sorted(name for name in there & self._sampled.keys() if self._sampled[name])

    def records(self) -> list[Record]:
        """As ``names``, read."""
        return list(self.ledger.load(self.names()))

    def _is_sampled(self, record: Record) -> bool:
        """Whether a record is of the searched space: its values, put into the study as it stands, give its cell."""
        if record.group != self.study.group or set(record.params) != set(self.study.file.sweep):
            return False
        return sampled_cell(self.study, record.params).id == record.trial and record.seed in self.study.file.seeds
