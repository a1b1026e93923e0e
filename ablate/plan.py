"""A study as trials: which configurations, with which seeds, and which of them share a training.

Deterministic: the same file gives the same trials, and a trial's id is a hash of what it runs with.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any

from ablate.canonical import canonical_json
from ablate.costing import known_compute
from ablate.data.config import DataConfig
from ablate.design import Assignment, sampled
from ablate.errors import StudyError
from ablate.loading import Study
from ablate.nearest import nearest
from ablate.plugin import digests
from ablate.quantities import broken
from ablate.schema import Configuration
from ablate.sections import EvaluateConfig, TrainConfig
from models.config import D3DP
from models.pruning.config import TCEP, Pruning
from models.pruning.elastic import Elastic, trained

# Raised whenever a change of this program changes the numbers of an unchanged configuration.
NUMBERS_VERSION = 1

# Settings that say where or how fast, never what comes out.
NOT_IDENTITY = {"data": ("path",), "evaluate": ("batch",), "train": ("accelerator",)}


# Settings that came after records had been made: at its default such a setting is no part of identity, or everything
# recorded before it would be run again.
LATER: Mapping[type, tuple[str, ...]] = {
    DataConfig: ("set", "annotations", "rig", "hold_out"),
    Elastic: ("stages",),
    EvaluateConfig: ("low_pass", "branch", "draws", "precision"),
    Pruning: ("schedule",),
    TCEP: ("embed_places",),
    TrainConfig: ("accumulate", "checkpointing"),
}


def _hash(value: Any) -> str:
    return hashlib.sha256(canonical_json([NUMBERS_VERSION, value]).encode()).hexdigest()[:12]


def _with_plugins(content: dict[str, Any]) -> dict[str, Any]:
    """``content`` and the hashes of the plugins that it names something of."""
    found = digests(content)
    return {**content, "plugins": found} if found else content


def _told(configuration: Configuration) -> dict[str, Any]:
    """A configuration as it is told apart: without later settings that stand at their defaults."""
    return {
        name: _without_later(getattr(configuration, name), value) for name, value in configuration.resolved().items()
    }


def _without_later(value: Any, content: Any) -> Any:
    """``content``, the plain values of ``value``."""
    if not is_dataclass(value):
        return content
    later = {f.name: f.default for f in fields(value) if f.name in LATER.get(type(value), ())}
    return {
        name: _without_later(getattr(value, name), inner)
        for name, inner in content.items()
        if name not in later or getattr(value, name) != later[name]
    }


@dataclass(frozen=True)
class Cell:
    """One configuration of a study. ``params`` are its swept values by path, ``label`` its name in tables."""

    group: str
    label: str
    params: Mapping[str, Any]
    configuration: Configuration

    @cached_property
    def identity(self) -> dict[str, Any]:
        content = _told(self.configuration)
        for section, names in NOT_IDENTITY.items():
            content[section] = {k: v for k, v in content[section].items() if k not in names}
        return _with_plugins(content)

    @cached_property
    def id(self) -> str:
        """Hash of everything that can change a number."""
        return _hash(self.identity)

    def training_key(self, seed: int) -> str:
        """Hash of what shapes the weights: cells with equal keys are evaluated from one training."""
        train, model = dict(self.identity["train"]), _told(self.training_configuration)["model"]
        if self.configuration.train.mode != "elastic":
            del train["elastic"]
            train["mode"] = "each"  # dense weights are those that the host has when it is trained by itself
        content = {"model": model, "train": train, "data": self.identity["data"], "seed": seed}
        if type(self.configuration.model) is not D3DP:
            content["host"] = self.configuration.host  # another network's config may have the same values
        return _hash(_with_plugins(content))

    @property
    def training_configuration(self) -> Configuration:
        """The configuration to train: what weights leave open stands at its default. That is a schedule over denoising
        steps, for elastic weights the counts, and for dense ones all of pruning."""
        model, train = self.configuration.model, self.configuration.train
        if model.pruning is None:
            return self.configuration
        made: Mapping[str, Pruning | None] = {
            "each": replace(model.pruning, schedule="constant"),
            "elastic": trained(model.pruning, train.elastic),
            "dense": None,
        }
        return self.configuration.model_copy(update={"model": replace(model, pruning=made[train.mode])})


@dataclass(frozen=True)
class Trial:
    """A cell run with one seed."""

    cell: Cell
    seed: int

    @property
    def name(self) -> str:
        return f"{self.cell.id}-s{self.seed}"


@dataclass(frozen=True)
class LeftOut:
    """A planned cell that is never started, and why."""

    cell: Cell
    reason: str


def cell(study: Study, assignment: Assignment) -> Cell:
    """Resolve one assignment of a checked study. Raises pydantic's ValidationError for values that can't be."""
    return Cell(assignment.group, assignment.label, assignment.params, assignment.resolve(study.base))


def sampled_cell(study: Study, params: Mapping[str, Any]) -> Cell:
    """The cell of the searched space with these values of the swept paths. Raises pydantic's ValidationError."""
    return cell(study, sampled(study.file, params))


def expand(study: Study) -> tuple[Cell, ...]:
    """The cells that are run and known before anything has run, the baseline among them; see ``planned``."""
    return planned(study)[0]


def planned(study: Study) -> tuple[tuple[Cell, ...], tuple[LeftOut, ...]]:
    """The cells to run that are known before anything has run, and those left out because they are known to break one
    of the study's constraints. Under a sampler only the variants are known.

    The baseline is run whatever it costs: every reduction is counted against it. Raises StudyError where two cells are
    the same configuration or the baseline names none.
    """
    assignments = list(study.planned())
    cells = [cell(study, a) for a in assignments]
    _refuse_twins(study, assignments, cells)
    bounds = [c for c in study.constraints if c.known]
    kept: list[Cell] = []
    left: list[LeftOut] = []
    for c in cells:
        why = broken(bounds, known_compute(c.configuration)) if bounds and c.label != study.file.baseline else ""
        if why:
            left.append(LeftOut(c, why))
        else:
            kept.append(c)
    return tuple(kept), tuple(left)


def _refuse_twins(study: Study, assignments: Sequence[Assignment], cells: Sequence[Cell]) -> None:
    seen: dict[str, Cell] = {}
    problems = []
    for assignment, c in zip(assignments, cells, strict=True):
        if c.id in seen:
            place = study.source.place(list(assignment.places.values())[-1] if assignment.places else ())
            same = f"'{c.label}' is the same configuration as '{seen[c.id].label}'"
            problems.append(f"{place}: {same}; change one of them, or leave it out")
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
