"""What a study has so far: its planned cells and the records that belong to it as it stands."""

from collections.abc import Mapping
from typing import Any

from ablate.plan import Cell, Trial, cell, expand, trials
from ablate.records import Record, load_all, save
from ablate.study import Assignment, Study
from ablate.workspace import Workspace


class Archive:
    """One study's cells and records on one workspace. Raises StudyError for cells that clash, StorageError."""

    def __init__(self, study: Study, workspace: Workspace) -> None:
        self.study = study
        self.folder = workspace.records(study.name)
        self.cells = expand(study)
        self._stored = {record.name: record for record in load_all(self.folder)}

    @property
    def planned(self) -> int:
        """Records of the finished study: known cells and those that a sampler is yet to propose, with every seed."""
        sampled = self.study.file.trials or 0 if self.study.file.sampler else 0
        return (len(self.cells) + sampled) * len(self.study.file.seeds)

    def get(self, trial: Trial) -> Record | None:
        return self._stored.get(trial.name)

    def add(self, record: Record) -> None:
        save(self.folder, record)
        self._stored[record.name] = record

    def seeds(self, of: Cell) -> list[Record] | None:
        """A configuration's records over all seeds; None while one is missing."""
        found = [self.get(t) for t in trials(self.study, [of])]
        complete = [r for r in found if r is not None]
        return complete if len(complete) == len(found) else None

    def propose(self, params: Mapping[str, Any]) -> Cell:
        """The cell of the study's own sweep with these swept values."""
        return cell(self.study, Assignment(self.study.group, params, {}, {}))

    def sampled(self) -> list[Cell]:
        """Configurations that a sampler proposed before, found again in the records."""
        if self.study.file.sampler is None:
            return []
        own = [r for r in self._stored.values() if r.group == self.study.group]
        proposed = [(self.propose(r.params), r) for r in own if set(r.params) == set(self.study.file.sweep)]
        return list({c.id: c for c, r in proposed if c.id == r.trial}.values())

    def records(self) -> list[Record]:
        """The finished records of this study, in the plan's order."""
        known = {c.id: i for i, c in enumerate([*self.cells, *self.sampled()])}
        mine = [r for r in self._stored.values() if r.trial in known and r.seed in self.study.file.seeds]
        return sorted(mine, key=lambda r: (known[r.trial], r.seed))
