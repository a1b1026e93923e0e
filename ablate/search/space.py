"""A searched space in Optuna's terms, and back."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from ablate.canonical import canonical_json
from ablate.loading import Study
from ablate.plan import Cell
from ablate.schema import Range, Values

DIGITS = 4  # significant ones of a value from a continuum: as many as tables show, so that they tell cells apart
DECIMALS = 10  # of a listed value, see Range.at


@dataclass(frozen=True)
class Space:
    """The values that each swept path may take."""

    sweep: Mapping[str, Values]

    @classmethod
    def of(cls, study: Study, own: Sequence[Cell]) -> "Space":
        """What a sampler searches, or what the plan's own cells hold.

        A planned range stays one where Optuna's arithmetic gives its very values: each trial tells the space again, and
        a list of thousands of values would be told thousands of times.
        """
        sweep = study.file.sweep
        if study.file.sampler is not None:
            return cls(sweep)
        listed: dict[str, dict[str, Any]] = {}
        for cell in own:
            for path, value in cell.params.items():
                listed.setdefault(path, {}).setdefault(canonical_json(value), value)
        return cls({path: _planned(sweep.get(path), list(values.values())) for path, values in listed.items()})

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        return {path: _distribution(values) for path, values in self.sweep.items()}

    @cached_property
    def _listed(self) -> dict[str, dict[Any, Any]]:
        """The values of each list by Optuna's choice; of equal ones the first."""
        lists = {path: values for path, values in self.sweep.items() if not isinstance(values, Range)}
        return {path: {_choice(v): v for v in reversed(values)} for path, values in lists.items()}

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
        return {
            path: _value(values, params[path]) if isinstance(values, Range) else self._listed[path][params[path]]
            for path, values in self.sweep.items()
        }

    def params(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """The file's values as Optuna's params; None for a point outside this space."""
        if set(values) != set(self.sweep):
            return None
        params = {path: _choice(values[path]) for path in self.sweep}
        return params if all(self._holds(path, choice) for path, choice in params.items()) else None

    def _holds(self, path: str, choice: Any) -> bool:
        values = self.sweep[path]
        return _inside(values, choice) if isinstance(values, Range) else choice in self._listed[path]


def _planned(written: Values | None, values: list[Any]) -> Values:
    """The range that the file writes, where it holds all these values."""
    if not isinstance(written, Range) or written.step is None:
        return values
    exact = all(round(number, DECIMALS) == number for number in (written.low, written.step))
    return written if exact and all(_inside(written, value) for value in values) else values


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


def _value(values: Range, proposed: Any) -> Any:
    if _whole(values):
        return proposed
    if values.step is not None:
        return values.at(_index(values, proposed))
    return min(max(float(f"{proposed:.{DIGITS}g}"), values.low), values.high)


def _index(values: Range, value: float) -> int:
    """Which of the listed values lies next to ``value``."""
    return round((value - values.low) / (values.step or 1))


def _inside(values: Range, value: Any) -> bool:
    if not isinstance(value, int | float) or not values.low <= value <= values.high:
        return False
    if values.step is not None:
        return values.at(_index(values, value)) == value
    return not _whole(values) or value == int(value)
