"""A study as trials: which configurations, with which seeds, and which of them share a training.

Deterministic: the same file gives the same trials, and a trial's id is a hash of what it runs with.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ablate.canonical import canonical_json
from ablate.errors import StudyError
from ablate.nearest import nearest
from ablate.schema import Configuration
from ablate.seeds import stream
from ablate.study import Assignment, Study, assignments
from models.config import without_counts

# Raised whenever a change of this program changes the numbers of an unchanged configuration.
NUMBERS_VERSION = 1

# Settings that say where or how fast, never what comes out.
NOT_IDENTITY = {"data": ("path",), "evaluate": ("batch",), "train": ("accelerator",)}


def _hash(value: Any) -> str:
    return hashlib.sha256(canonical_json([NUMBERS_VERSION, value]).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Cell:
    """One configuration of a study. ``params`` are its swept values by path, ``label`` its name in tables."""

    group: str
    label: str
    params: Mapping[str, Any]
    configuration: Configuration

    @cached_property
    def identity(self) -> dict[str, Any]:
        content = self.configuration.resolved()
        for section, names in NOT_IDENTITY.items():
            content[section] = {k: v for k, v in content[section].items() if k not in names}
        return content

    @cached_property
    def id(self) -> str:
        """Hash of everything that can change a number."""
        return _hash(self.identity)

    def training_key(self, seed: int) -> str:
        """Hash of what shapes the weights: cells with equal keys are evaluated from one training."""
        train = dict(self.identity["train"])
        model = self.identity["model"]
        if self.configuration.train.mode == "elastic":
            model = self.training_configuration.resolved()["model"]
        else:
            del train["elastic"]
        return _hash({"model": model, "train": train, "data": self.identity["data"], "seed": seed})

    @property
    def training_configuration(self) -> Configuration:
        """The configuration to train: for elastic weights, with the counts that they leave open at their defaults."""
        model = self.configuration.model
        if self.configuration.train.mode != "elastic" or model.pruning is None:
            return self.configuration
        model = replace(model, pruning=without_counts(model.pruning))
        return self.configuration.model_copy(update={"model": model})


@dataclass(frozen=True)
class Trial:
    """A cell run with one seed."""

    cell: Cell
    seed: int

    @property
    def name(self) -> str:
        return f"{self.cell.id}-s{self.seed}"


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """The shortest ending of each dotted path that no other path shares."""
    result = {}
    for path in paths:
        parts = path.split(".")
        endings = (".".join(parts[-n:]) for n in range(1, len(parts) + 1))
        result[path] = next(e for e in endings if sum(p == e or p.endswith(f".{e}") for p in paths) == 1)
    return result


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "off" if value is None else str(value)


def cell(study: Study, assignment: Assignment) -> Cell:
    """Resolve one assignment of a checked study."""
    names = short_names(list(assignment.params))
    swept = ", ".join(f"{names[path]} {_value(value)}" for path, value in assignment.params.items())
    label = f"{assignment.group} {swept}".strip()
    return Cell(assignment.group, label, assignment.params, assignment.resolve(study.base))


def expand(study: Study) -> tuple[Cell, ...]:
    """The cells that are known before anything has run, the baseline among them.

    A grid gives all its cells, a random design ``trials`` of its sweep; under a sampler only the variants are known.
    Raises StudyError where two cells are the same configuration or the baseline names none.
    """
    file = study.file
    planned = list(assignments(study))
    own = [
        a
        for a in planned
        if not any(loc[0] == "variants" for loc in a.places.values()) and a.group not in file.variants
    ]
    others = [a for a in planned if a not in own]
    if file.sampler is not None:
        own = []
    elif file.design == "random":
        assert file.trials is not None
        order = stream(0, "design", study.name).permutation(len(own))[: file.trials]
        own = [own[i] for i in sorted(order)]
    cells = tuple(cell(study, a) for a in (*own, *others))
    _refuse_twins(study, cells)
    return cells


def _refuse_twins(study: Study, cells: Sequence[Cell]) -> None:
    seen: dict[str, Cell] = {}
    problems = []
    for c in cells:
        if c.id in seen:
            problems.append(f"{study.source.path}: '{c.label}' is the same configuration as '{seen[c.id].label}'")
        seen.setdefault(c.id, c)
    labels = [c.label for c in cells]
    if study.file.baseline not in labels:
        place = study.source.place(("baseline",))
        known = nearest(study.file.baseline, labels) or f"; the rows are {', '.join(labels)}"
        problems.append(f"{place}: baseline '{study.file.baseline}' is no row of this study{known}")
    if problems:
        raise StudyError(problems)


def trials(study: Study, cells: Sequence[Cell]) -> tuple[Trial, ...]:
    """Every cell with every seed; seeds outermost, so that a first complete picture comes early."""
    return tuple(Trial(c, seed) for seed in study.file.seeds for c in cells)
