"""A searched space in Optuna's terms, and back."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from ablate.canonical import canonical_json
from ablate.plan import Cell
from ablate.schema import Range, Values
from ablate.study import Study

DIGITS = 4  # significant ones of a value from a continuum: as many as tables show, so that they tell cells apart


@dataclass(frozen=True)
class Space:
    """The values that each swept path may take."""

    sweep: Mapping[str, Values]

    @classmethod
    def of(cls, study: Study, own: Sequence[Cell]) -> "Space":
        """What a sampler searches, or what the plan's own cells hold."""
        if study.file.sampler is not None:
            return cls(study.file.sweep)
        listed: dict[str, dict[str, Any]] = {}
        for cell in own:
            for path, value in cell.params.items():
                listed.setdefault(path, {}).setdefault(canonical_json(value), value)
        return cls({path: list(values.values()) for path, values in listed.items()})

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        return {path: _distribution(values) for path, values in self.sweep.items()}

    @property
    def content(self) -> dict[str, Any]:
        """This space in plain values."""
        return {path: v.model_dump() if isinstance(v, Range) else v for path, v in self.sweep.items()}

    @property
    def size(self) -> float:
        """How many points there are; infinite with a continuum."""
        return math.prod(map(_count, self.sweep.values()))

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Optuna's params as the file's values, in the file's order."""
        return {path: _value(values, params[path]) for path, values in self.sweep.items()}

    def params(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """The file's values as Optuna's params; None for a point outside this space."""
        if set(values) != set(self.sweep) or not all(_inside(self.sweep[path], v) for path, v in values.items()):
            return None
        return {path: _choice(values[path]) for path in self.sweep}


def _whole(values: Range) -> bool:
    """Are this range's values whole numbers?"""
    return all(isinstance(v, int) for v in (values.low, values.high, values.step or 1))


def _count(values: Values) -> float:
    if not isinstance(values, Range):
        return len(values)
    if values.count is not None:
        return values.count
    return values.high - values.low + 1 if _whole(values) else math.inf


def _distribution(values: Values) -> BaseDistribution:
    if not isinstance(values, Range):
        return CategoricalDistribution([_choice(v) for v in values])
    high = values.high if values.count is None else values.at(values.count - 1)  # the last that a step lands on
    if _whole(values):
        return IntDistribution(int(values.low), int(high), log=values.log, step=int(values.step or 1))
    return FloatDistribution(values.low, high, log=values.log, step=values.step)


def _choice(value: Any) -> Any:
    """Optuna's choices are scalars: a mapping travels as its JSON."""
    return canonical_json(value) if isinstance(value, dict | list) else value


def _value(values: Values, proposed: Any) -> Any:
    if not isinstance(values, Range):
        return next(v for v in values if _choice(v) == proposed)
    if _whole(values):
        return proposed
    if values.step is not None:
        return values.at(round((proposed - values.low) / values.step))
    return min(max(float(f"{proposed:.{DIGITS}g}"), values.low), values.high)


def _inside(values: Values, value: Any) -> bool:
    if not isinstance(values, Range):
        return any(_choice(v) == _choice(value) for v in values)
    if not isinstance(value, int | float) or not values.low <= value <= values.high:
        return False
    if values.step is not None:
        return abs(values.at(round((value - values.low) / values.step)) - value) < 1e-9
    return not _whole(values) or value == int(value)
