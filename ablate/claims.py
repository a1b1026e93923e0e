"""What a study claims of its rows, in sentences: parsed and checked here; ablate.report.claims judges them by records.

    ROWS cuts|raises COMPUTE by at least|at most NUMBER % against ROWS [at no more than NUMBER mm [in METRIC]]
    ROWS is better than ROWS [by at least NUMBER mm] [in METRIC]
    ROWS is no worse than ROWS by more than NUMBER mm [in METRIC]
    ROWS is within NUMBER mm of ROWS [in METRIC]
    the front of ROWS beats that of ROWS

ROWS is a row's label; or ``[every|some] GROUP[name=value, ...]``, the rows of a group that have these swept values. A
bare name that is both is the label. Without a word a group means every row of it. METRIC is the report's unless named.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from ablate.nearest import nearest
from ablate.quantities import CLOSED, problem
from ablate.schema import StudyFile
from ablate.sections import told
from ablate.source import parse_value

COMPUTE = (*CLOSED, "latency_ms", "fps", "peak_memory_mb")
METRICS = {"mpjpe": "mm", "p_mpjpe": "mm", "mpjve": "mm/frame"}  # those that a report may compare by, with their units
FORMS = "cuts, raises, is better than, is no worse than, is within, or 'the front of ... beats that of ...'"
EXAMPLE = "htp cuts inference_gmacs by at least 56.8 % against d3dp at no more than 0.2 mm"

_NUMBER = r"(\d+(?:\.\d+)?)"
_AMOUNT = rf"{_NUMBER} ?(mm/frame|mm)"
_IN = r"(?: (?:in|of) (\w+))?"
_SAVES = re.compile(
    rf"(.+?) (cuts|raises) (\S+) by (at least|at most) {_NUMBER} ?% against (.+?)(?: at no more than {_AMOUNT}{_IN})?"
)
_BETTER = re.compile(rf"(.+?) is better than (.+?)(?: by at least {_AMOUNT})?{_IN}")
_NO_WORSE = re.compile(rf"(.+?) is no worse than (.+?) by more than {_AMOUNT}{_IN}")
_WITHIN = re.compile(rf"(.+?) is within {_AMOUNT} of (.+?)(?: in (\w+))?")
_FRONT = re.compile(r"the front of (.+?) beats that of (.+)")
_ROWS = re.compile(r"(?:(every|some) )?([^\[\]]+?)(?:\[([^\[\]]*)\])?")


class Row(Protocol):
    """What a cell, planned or recorded, is called."""

    @property
    def label(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def params(self) -> Mapping[str, Any]: ...


AnyRow = TypeVar("AnyRow", bound=Row)


@dataclass(frozen=True)
class Rows:
    """Rows by name; ``values`` as written, name and value. ``word`` is every, some, or empty."""

    name: str
    values: tuple[tuple[str, str], ...] = ()
    word: str = ""

    @property
    def some(self) -> bool:
        return self.word == "some"

    def of(self, rows: Iterable[AnyRow]) -> list[AnyRow]:
        """Those of ``rows`` that are meant."""
        every = list(rows)
        named = [row for row in every if row.label == self.name]
        if named and not self.word and not self.values:
            return named
        return [row for row in every if row.group == self.name and all(_has(row, *value) for value in self.values)]

    def __str__(self) -> str:
        inside = ", ".join(f"{name}={value}" for name, value in self.values)
        return f"{self.word} {self.name}".strip() + (f"[{inside}]" if inside else "")


@dataclass(frozen=True)
class Bound:
    """``low <= x <= high``: of compute x is the change against the other row in percent, of an error (``name`` is then
    a metric, or None for the report's) the difference to the other row, in ``unit``."""

    kind: Literal["compute", "error"]
    name: str | None
    unit: str
    low: float
    high: float


@dataclass(frozen=True)
class Claim:
    """``rows`` against ``other``; a pair keeps to all ``bounds``. Without any, it is their fronts that are compared."""

    text: str
    rows: Rows
    other: Rows
    bounds: tuple[Bound, ...] = ()


def parse_claim(text: str) -> Claim:
    """A sentence as a claim; whether its names mean anything is left to ``claim_problems``.

    Raises ValueError for what the grammar above doesn't know.
    """
    plain = " ".join(text.split())
    if found := _FRONT.fullmatch(plain):
        return Claim(text, _rows(found[1]), _rows(found[2]))
    if found := _SAVES.fullmatch(plain):
        return Claim(text, _rows(found[1]), _rows(found[6]), _saves(found))
    if found := _BETTER.fullmatch(plain):
        # Without an amount, any: but a difference of exactly nothing is not better.
        high = -float(found[3]) if found[3] else math.nextafter(0.0, -1.0)
        return Claim(text, _rows(found[1]), _rows(found[2]), (_error(-math.inf, high, found[4], found[5]),))
    if found := _NO_WORSE.fullmatch(plain):
        bound = _error(-math.inf, float(found[3]), found[4], found[5])
        return Claim(text, _rows(found[1]), _rows(found[2]), (bound,))
    if found := _WITHIN.fullmatch(plain):
        amount = float(found[2])
        return Claim(text, _rows(found[1]), _rows(found[4]), (_error(-amount, amount, found[3], found[5]),))
    raise ValueError(f"is no claim; one says {FORMS}, for instance: {EXAMPLE}")


def _saves(found: re.Match[str]) -> tuple[Bound, ...]:
    percent = -float(found[5]) if found[2] == "cuts" else float(found[5])
    downwards = (found[2] == "cuts") == (found[4] == "at least")
    low, high = (-math.inf, percent) if downwards else (percent, math.inf)
    change = Bound("compute", found[3], "%", low, high)
    return (change,) if not found[7] else (change, _error(-math.inf, float(found[7]), found[8], found[9]))


def _error(low: float, high: float, unit: str | None, metric: str | None) -> Bound:
    return Bound("error", metric, unit or "", low, high)


def _rows(text: str) -> Rows:
    found = _ROWS.fullmatch(text)
    pairs = [pair.partition("=") for pair in (found[3] or "").split(",") if pair.strip()] if found else []
    if found is None or (found[3] is not None and not pairs) or any(not (name and value) for name, _, value in pairs):
        raise ValueError(f"'{text}' names no rows; write a label, or GROUP, or GROUP[name=value]")
    return Rows(found[2].strip(), tuple((name.strip(), value.strip()) for name, _, value in pairs), found[1] or "")


def _has(row: Row, name: str, value: str) -> bool:
    """Whether a row was swept to this value; a name is the path's ending."""
    return any(_ends(path, name) and _equal(own, value) for path, own in row.params.items())


def _ends(path: str, name: str) -> bool:
    return path == name or path.endswith(f".{name}")


def _equal(value: Any, text: str) -> bool:
    """Written as in the file, or as in a label."""
    return _written(value) == text or bool(value == parse_value(text))


def _written(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping):
        return told(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def claim_problems(claim: Claim, file: StudyFile, rows: Sequence[Row], open_group: str | None) -> Iterator[str]:
    """What is wrong with a claim's names, one text a problem, with the nearest valid name. ``rows`` are the study's
    cells; of ``open_group`` a sampler will make more, whose values aren't known yet."""
    unknown = [*_unknown(claim.rows, rows, open_group), *_unknown(claim.other, rows, open_group)]
    if not claim.bounds and (claim.rows.some or claim.other.some):
        yield "a front is of every row that is named; leave out some"
    yield from dict.fromkeys(unknown)
    same = {row.label for row in claim.rows.of(rows)} & {row.label for row in claim.other.of(rows)}
    if same and not unknown:
        yield f"compares '{min(same)}' with itself; name other rows"
    for bound in claim.bounds:
        text = _wrong_number(bound, file) if bound.kind == "compute" else _wrong_metric(bound, file)
        if text:
            yield text


def _wrong_number(bound: Bound, file: StudyFile) -> str | None:
    if bound.name in COMPUTE:
        return problem(bound.name, file.measure, file.data.name)
    near = nearest(str(bound.name), COMPUTE) or f"; the numbers are {', '.join(COMPUTE)}"
    return f"unknown number '{bound.name}'{near}"


def _wrong_metric(bound: Bound, file: StudyFile) -> str | None:
    metric = bound.name or file.report.metric
    if metric not in METRICS:
        return f"unknown metric '{metric}'" + (nearest(metric, METRICS) or f"; the metrics are {', '.join(METRICS)}")
    return f"{metric} is in {METRICS[metric]}, not in {bound.unit}" if bound.unit not in ("", METRICS[metric]) else None


def _unknown(named: Rows, rows: Sequence[Row], open_group: str | None) -> Iterator[str]:
    """What is wrong with the name of rows that aren't there."""
    if named.of(rows):
        return
    groups = dict.fromkeys([row.group for row in rows] + ([open_group] if open_group else []))
    if named.name not in groups:
        labels = [] if named.word or named.values else [row.label for row in rows]
        near = nearest(named.name, [*groups, *labels]) or f"; the groups are {', '.join(groups)}"
        yield f"no row or group '{named.name}'{near}"
        return
    own = [row.params for row in rows if row.group == named.name]
    paths = dict.fromkeys(path for params in own for path in params)
    absent = [name for name, _ in named.values if not any(_ends(path, name) for path in paths)]
    for name in absent:
        short = dict.fromkeys(path.rpartition(".")[2] for path in paths)
        near = nearest(name, short) or f"; it sweeps {', '.join(short) or 'nothing'}"
        yield f"'{named.name}' sweeps no '{name}'{near}"
    if not absent and named.name != open_group:
        names = [name for name, _ in named.values]
        there = dict.fromkeys(_values(params, names) for params in own)
        yield f"no row is {named}; there are {', '.join(f'{named.name}[{values}]' for values in there)}"


def _values(params: Mapping[str, Any], names: Sequence[str]) -> str:
    pairs = ((name, value) for name in names for path, value in params.items() if _ends(path, name))
    return ", ".join(f"{name}={_written(value)}" for name, value in pairs)
