"""The numbers of a record by name, with the unit in the name: what a search may aim at and what a study may bound.

Only the validation split is offered. The test split is reported, and whatever chose by it would report its own choice;
an oracle has looked at the ground truth, so nothing may be chosen by it either.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ablate.nearest import nearest
from ablate.sections import MeasureConfig

if TYPE_CHECKING:
    from ablate.records import Record

# A metric's unit, and how a name ends in it.
UNITS = {
    "mm": "_mm",
    "mm/frame": "_mm_per_frame",
    "mm/frame^2": "_mm_per_frame2",
    "%": "_percent",
    "": "",
}

SHARED_BY = "3dhp"  # the dataset whose joints are also counted as near enough or not
SHARES = ("validation_pck_150_percent", "validation_auc_percent")
VALIDATION = ("validation_mpjpe_mm", "validation_p_mpjpe_mm", "validation_mpjve_mm_per_frame", *SHARES)
# Known before anything is trained.
CLOSED = ("params_m", "pass_gmacs", "training_gmacs", "inference_gmacs", "kept_frames", "activation_mb")
COUNTED = ("pass_gmacs_torch", "pass_gmacs_ptflops")
WATCHED = ("latency_ms", "latency_q1_ms", "latency_q3_ms", "fps", "peak_memory_mb")
NAMES = (*VALIDATION, *CLOSED, *COUNTED, *WATCHED)

LARGER_IS_BETTER = frozenset({"fps", *SHARES})

_CONSTRAINT = re.compile(r"\s*(\w+)\s*(<=|>=)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")


@dataclass(frozen=True)
class Constraint:
    """A bound on one number: ``NAME <= NUMBER`` or ``NAME >= NUMBER``."""

    name: str
    sense: Literal["<=", ">="]
    bound: float

    @property
    def known(self) -> bool:
        """Does the configuration alone decide it?"""
        return self.name in CLOSED

    def excess(self, value: float) -> float:
        """How far ``value`` lies beyond the bound, positive when it breaks it, as a share of the bound, so that the
        excesses of several constraints can be added up; absolute where the bound is zero."""
        beyond = value - self.bound if self.sense == "<=" else self.bound - value
        return beyond / (abs(self.bound) or 1.0)

    def __str__(self) -> str:
        return f"{self.name} {self.sense} {self.bound:.12g}"


def parse_constraint(text: str) -> Constraint:
    """``inference_gmacs <= 60`` as a constraint; whether the name is one is left to ``problem``.

    Raises ValueError for anything but a name, ``<=`` or ``>=``, and a finite number.
    """
    found = _CONSTRAINT.fullmatch(text)
    if found is None or not math.isfinite(float(found[3])):
        raise ValueError("write NAME <= NUMBER or NAME >= NUMBER, for instance inference_gmacs <= 60")
    return Constraint(found[1], "<=" if found[2] == "<=" else ">=", float(found[3]))


def broken(constraints: Iterable[Constraint], numbers: Mapping[str, float]) -> str:
    """Which of these bounds ``numbers`` break, in words; empty when none. Numbers that aren't there break nothing."""
    return ", ".join(
        f"{c.name} is {numbers[c.name]:.4g}, against {c}"
        for c in constraints
        if c.name in numbers and c.excess(numbers[c.name]) > 0
    )


def problem(name: str, measure: MeasureConfig, dataset: str) -> str | None:
    """Why nothing may be chosen by this number, with the mend; None when it may. ``measure`` says what is measured."""
    if name in SHARES and dataset != SHARED_BY:
        return f"'{name}' is counted on {SHARED_BY} alone; use {VALIDATION[0]}"
    if name in COUNTED and not measure.counters:
        return f"'{name}' is not counted here: set measure.counters to true, or use pass_gmacs"
    if name in WATCHED and not measure.latency:
        return f"'{name}' is not measured here: set measure.latency to true"
    if name in NAMES:
        return None
    if name.startswith("test_"):
        mend = f"validation_{name.removeprefix('test_')}"
        return f"'{name}': the test split is only reported, nothing is chosen by it{nearest(mend, VALIDATION)}"
    if any(word in name for word in ("oracle", "p_best", "j_best", "true_root")):
        return f"'{name}': an oracle knows the ground truth, nothing is chosen by it{nearest(name, VALIDATION)}"
    return f"unknown number '{name}'{nearest(name, NAMES) or '; the numbers are ' + ', '.join(NAMES)}"


def summary(record: "Record") -> dict[str, float]:
    """The numbers of one seed by name, units in the name, oracles marked: last step, overall and by action, under the
    protocol that its configuration is judged by."""
    numbers = {name: float(value) for name, value in record.compute.items() if value is not None}
    for m in record.measured:
        if m.step != m.steps:
            continue
        name = f"{m.split}_{m.metric}{UNITS[m.unit]}"
        if m.aggregation != "mean":
            name += f"_{m.aggregation}"
        if m.oracle:
            name += "_oracle"
        numbers[f"by_action/{name}/{m.action}" if m.action else name] = m.value
    return numbers
