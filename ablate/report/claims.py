"""A study's claims, judged on its records: each holds, fails or can't be told, with the interval that decided it.

Errors and measured compute go by ``ablate.statistics``; closed-form compute is exact. A claim holds where the whole
95 % interval keeps to its bounds, and fails where the whole interval lies beyond one. Where any one of several rows
could make it hold, or fail, the intervals are as much wider as so many chances ask for (Bonferroni).
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from ablate.claims import Bound, Claim, Rows
from ablate.quantities import CLOSED
from ablate.records import Record
from ablate.report.about import About
from ablate.report.columns import evidence
from ablate.report.front import front
from ablate.report.names import METRICS, compute_unit
from ablate.report.results import overall
from ablate.report.tables import MINUS, TIMES
from ablate.statistics.differences import ALPHA, Difference, differences
from ablate.statistics.fronts import beatings
from ablate.statistics.samples import Samples

State = Literal["holds", "fails", "can't be told"]
HOLDS: State = "holds"
FAILS: State = "fails"
OPEN: State = "can't be told"

EXACT = 9  # decimals of a percentage of closed-form compute: rounding in floating point decides nothing
UNFINISHED = "other rows that are meant are not finished"


@dataclass(frozen=True)
class Verdict:
    """A claim as its study words it, how it stands, and why."""

    text: str
    state: State
    reason: str


@dataclass(frozen=True)
class _Finding:
    """How a pair of rows stands to the bounds; ``kept`` counts those that hold."""

    state: State
    reason: str
    kept: int


@dataclass(frozen=True)
class _Chances:
    """How many pairs could make the claim hold, or fail, by themselves."""

    holds: int
    fails: int


def verdicts(frame: pd.DataFrame, records: Sequence[Record], about: About, known: Samples) -> tuple[Verdict, ...]:
    """The study's claims in its own order. ``frame`` and ``known`` are the results and the samples of ``records``."""
    judge = _Judge(frame, records, about, known) if about.claims else None
    return tuple(judge.verdict(claim) for claim in about.claims) if judge else ()


def markdown(found: Sequence[Verdict]) -> str:
    """A line a claim, for the page."""
    return "\n".join(f"- **{verdict.state}**: {verdict.text} ({verdict.reason})" for verdict in found)


class _Judge:
    """Verdicts on one study's records."""

    def __init__(self, frame: pd.DataFrame, records: Sequence[Record], about: About, known: Samples) -> None:
        self._frame = frame
        self._about = about
        self._numbers = _Numbers(frame, known)
        self._rows = {record.label: record for record in records}  # whichever seed
        self._finished = len(records) >= about.planned

    def verdict(self, claim: Claim) -> Verdict:
        ours, theirs = (self._labels(rows) for rows in (claim.rows, claim.other))
        for rows, labels in ((claim.rows, ours), (claim.other, theirs)):
            if not labels:
                return Verdict(claim.text, OPEN, f"nothing of {rows} is finished")
        if not claim.bounds:
            return self._front(claim, ours, theirs)
        pairs = list(itertools.product(ours, theirs))
        chances = _chances((claim.rows, ours), (claim.other, theirs))
        of_bounds = [self._bound(bound, pairs, chances) for bound in claim.bounds]
        found = {pair: _all_of(each) for pair, each in zip(pairs, zip(*of_bounds, strict=True), strict=True)}
        by_row = [self._together(claim.other, theirs, [found[a, b].state for b in theirs]) for a in ours]
        state = self._together(claim.rows, ours, by_row)
        return Verdict(claim.text, state, _why(state, found))

    def _labels(self, rows: Rows) -> list[str]:
        return [row.label for row in rows.of(self._rows.values())]

    def _together(self, rows: Rows, labels: Sequence[str], states: Sequence[State]) -> State:
        """What every one of these rows, or some, makes of the whole; of a group, rows may still be to come."""
        to_come: set[State] = set() if self._finished or labels == [rows.name] else {OPEN}
        decisive, other = (HOLDS, FAILS) if rows.some else (FAILS, HOLDS)
        return decisive if decisive in states else other if {*states, *to_come} == {other} else OPEN

    def _bound(self, bound: Bound, pairs: Sequence[tuple[str, str]], chances: _Chances) -> list[tuple[State, str]]:
        """How each pair stands to it, and why."""
        name = bound.name or self._about.report.metric
        if bound.kind == "error":
            sample = self._numbers.errors(name)
            text = f"{METRICS[name]} {{}} {sample.unit}"
            return [_judged(bound, found, chances, text) for found in differences(sample, pairs)]
        if name not in CLOSED:
            every = differences(self._numbers.logarithms(name), pairs)
            return [_judged(bound, found, chances, f"{name} {{}} %", _percent) for found in every]
        values = self._numbers.compute(name)
        return [_exact(bound, name, values.get(a, math.nan), values.get(b, math.nan)) for a, b in pairs]

    def _front(self, claim: Claim, ours: Sequence[str], theirs: Sequence[str]) -> Verdict:
        """Whether one front's hypervolume is larger, up to the reference point of the report's front."""
        name, whole = self._about.report.compute, front(self._frame, self._about)
        sample, cost = self._numbers.errors(self._about.report.metric), self._numbers.compute(name)
        if whole is None or not cost.keys() >= {*ours, *theirs}:
            return Verdict(claim.text, OPEN, f"{name} was not measured everywhere")
        groups = {"ours": {label: cost[label] for label in ours}, "theirs": {label: cost[label] for label in theirs}}
        found = beatings(sample, groups, whole.reference)
        if not found or math.isnan(found[0].low):
            return Verdict(claim.text, OPEN, "fewer than two seeds have all of these rows")
        (it,) = found
        state = OPEN if not self._finished or it.low <= 0 <= it.high else HOLDS if it.low > 0 else FAILS
        unit = f"{compute_unit(name)} {TIMES} {sample.unit}"
        interval = f"95 % interval {_signed(it.low, 3)} to {_signed(it.high, 3)}"
        reason = (
            f"hypervolume {_signed(it.mean, 3)} {unit}, {interval}; it is larger with probability {it.probability:.3f}"
        )
        return Verdict(claim.text, state, reason)


class _Numbers:
    """The records' numbers, as samples that can be compared."""

    def __init__(self, frame: pd.DataFrame, known: Samples) -> None:
        self._frame = frame
        self._known = known

    def errors(self, metric: str) -> Samples:
        """Of the mean pose on the test split."""
        rows = overall(self._frame, "test")
        return evidence(rows[(rows["metric"] == metric) & (rows["aggregation"] == "mean")], self._known)

    def logarithms(self, name: str) -> Samples:
        """Of a measured number of compute, so that a difference is a ratio; paired by seed."""
        rows = self._rows(name)
        values = zip(rows["label"], rows["seed"], np.log(rows["value"]), strict=True)
        return self._known.overall(self._known.table(values), "")

    def compute(self, name: str) -> dict[str, float]:
        """A number of compute by label, over seeds."""
        return {str(label): float(value) for label, value in self._rows(name).groupby("label")["value"].mean().items()}

    def _rows(self, name: str) -> pd.DataFrame:
        return self._frame[(self._frame["metric"] == name) & (self._frame["split"] == "")]


def _all_of(found: Sequence[tuple[State, str]]) -> _Finding:
    """A pair that has to keep to all of its bounds."""
    states = [state for state, _ in found]
    state = FAILS if FAILS in states else OPEN if OPEN in states else HOLDS
    return _Finding(state, "; ".join(reason for _, reason in found), states.count(HOLDS))


def _exact(bound: Bound, name: str, ours: float, theirs: float) -> tuple[State, str]:
    """How a closed-form number stands to a bound."""
    change = round(100 * (ours / theirs - 1), EXACT)
    if math.isnan(change):
        return OPEN, f"{name} was not recorded"
    return HOLDS if bound.low <= change <= bound.high else FAILS, f"{name} {_signed(change)} %, exact"


def _chances(*named: tuple[Rows, Sequence[str]]) -> _Chances:
    several = [rows.some for rows, labels in named if len(labels) > 1]
    pairs = math.prod(len(labels) for _, labels in named)
    return _Chances(holds=pairs if any(several) else 1, fails=1 if all(several) else pairs)


def _why(state: State, found: dict[tuple[str, str], _Finding]) -> str:
    """What decided it; of several pairs their count, and the one that comes nearest to the claim."""
    like = {pair: finding for pair, finding in found.items() if finding.state == state}
    if not like:
        return UNFINISHED
    (a, b), nearest = max(like.items(), key=lambda item: item[1].kept)
    if len(found) == 1:
        return nearest.reason
    such = " such as" if len(like) > 1 else ""
    return f"{state} for {len(like)} of {len(found)} pairs,{such} {a} against {b}: {nearest.reason}"


def _judged(
    bound: Bound, found: Difference, chances: _Chances, text: str, scale: Callable[[float], float] = float
) -> tuple[State, str]:
    """How an interval stands to a bound; ``scale`` turns the difference into what is bounded, ``text`` tells it."""
    told = text.format(_signed(scale(found.mean)) if math.isfinite(found.mean) else "unknown")
    if not found.known:
        return OPEN, f"{told}; {found.method}"
    holding, failing = ([scale(end) for end in _interval(found, n)] for n in (chances.holds, chances.fails))
    if bound.low <= holding[0] and holding[1] <= bound.high:
        state, (low, high), among = HOLDS, holding, chances.holds
    elif failing[0] > bound.high or failing[1] < bound.low:
        state, (low, high), among = FAILS, failing, chances.fails
    else:
        state, among = OPEN, max(chances.holds, chances.fails)
        low, high = holding if among == chances.holds else failing
    of = f" (one of {among})" if among > 1 else ""
    return state, f"{told}, 95 % interval{of} {_signed(low)} to {_signed(high)}"


def _interval(found: Difference, chances: int) -> tuple[float, float]:
    """At 95 % over so many chances."""
    half = found.half(ALPHA / chances)
    return found.mean - half, found.mean + half


def _percent(logarithm: float) -> float:
    return 100 * math.expm1(logarithm)


def _signed(value: float, digits: int = 2) -> str:
    return f"{value:+.{digits}f}".replace("-", MINUS)
