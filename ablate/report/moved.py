"""What moved between two sets of records of the same configurations: two studies, or one study at two commits.

A configuration is the same where its id is; where no id agrees, where its label does, and then the settings that differ
are told. Errors are compared as everywhere, paired by seed and recording, with Holm's correction over what is compared;
closed-form compute is exact. Errors on other data, or counted by another protocol, are not compared.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ablate.quantities import CLOSED
from ablate.records import Record
from ablate.statistics.differences import Difference, differences, holm
from ablate.statistics.samples import samples

Verdict = Literal["better", "worse", "the same", "can't be told", "not comparable"]

# Settings of where and how fast, as plan.py has them: they change nothing.
IDLE = ("data.path", "evaluate.batch", "train.accelerator")


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One configuration. ``before_mm`` and ``after_mm`` are the test MPJPE's means over seeds; ``difference_mm``, after
    less before, and its 95 % interval are None where nothing can be said. ``compute`` has the closed-form numbers that
    differ, ``settings`` the dotted paths that do, each as before and after.
    """

    label: str
    verdict: Verdict
    before_mm: float
    after_mm: float
    difference_mm: float | None
    low_mm: float | None
    high_mm: float | None
    p_holm: float | None
    seeds: int
    why: str
    compute: Mapping[str, tuple[float | None, float | None]]
    settings: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """``rows`` are the configurations that both have, ``only_before`` and ``only_after`` the others' labels."""

    rows: tuple[Moved, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]

    @property
    def worse(self) -> bool:
        """Whether an error rose beyond noise."""
        return any(row.verdict == "worse" for row in self.rows)


def compare(before: Sequence[Record], after: Sequence[Record]) -> Comparison:
    """What moved from ``before`` to ``after``, in the order of ``after``."""
    old, new = _by_trial(before), _by_trial(after)
    pairs = list(_pairs(old, new))
    ours, theirs = {a for a, _ in pairs}, {b for _, b in pairs}
    why = {(a, b): _why_not(old[a], new[b]) for a, b in pairs}
    found = _differences(old, new, [pair for pair in pairs if not why[pair]])
    return Comparison(
        rows=tuple(_moved(old[a], new[b], found.get((a, b)), why[a, b]) for a, b in pairs),
        only_before=tuple(records[0].label for trial, records in old.items() if trial not in ours),
        only_after=tuple(records[0].label for trial, records in new.items() if trial not in theirs),
    )


def _by_trial(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[record.trial].append(record)
    return dict(found)


def _pairs(old: Mapping[str, list[Record]], new: Mapping[str, list[Record]]) -> Iterator[tuple[str, str]]:
    """Ids of what is the same, by id, else by a label that is one configuration's on each side."""
    named: dict[str, list[str]] = defaultdict(list)
    for trial in old.keys() - new.keys():
        named[old[trial][0].label].append(trial)
    labels = [records[0].label for trial, records in new.items() if trial not in old]
    for trial, records in new.items():
        alike = named[records[0].label] if labels.count(records[0].label) == 1 else []
        if trial in old:
            yield trial, trial
        elif len(alike) == 1:
            yield alike[0], trial


def _why_not(old: Sequence[Record], new: Sequence[Record]) -> str:
    """Why errors can't be compared; empty where they can."""
    for what, read in (
        ("data", lambda record: (record.config["data"]["name"], record.data.get("digest"))),
        ("input", lambda record: record.config["data"].get("input")),
        ("protocol", lambda record: record.protocol),
    ):
        one, other = ({read(record) for record in records} for records in (old, new))
        if one != other:
            return f"other {what}"
    return ""


def _differences(
    old: Mapping[str, list[Record]], new: Mapping[str, list[Record]], pairs: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Difference]:
    """After less before, with Holm's correction over all of them."""
    if not pairs:
        return {}
    named = [replace(record, label=f"before {a}") for a, _ in pairs for record in old[a]]
    named += [replace(record, label=f"after {b}") for _, b in pairs for record in new[b]]
    known = samples(named)
    if not known.recorded:
        values = ((record.label, record.seed, record.value("mpjpe", "test")) for record in named)
        known = known.overall(known.table(values))
    found = differences(known, [(f"after {b}", f"before {a}") for a, b in pairs])
    corrected = holm([one.p for one in found])
    return {pair: replace(one, p_holm=p) for pair, one, p in zip(pairs, found, corrected, strict=True)}


def _moved(old: Sequence[Record], new: Sequence[Record], found: Difference | None, why: str) -> Moved:
    verdict: Verdict = "not comparable"
    if found is not None and found.known:
        verdict = "the same" if found.mean == found.error == 0 else "can't be told"
        if found.told:
            verdict = "better" if found.mean < 0 else "worse"
    one, other = old[0], new[0]
    names = [name for name in CLOSED if one.compute.get(name) != other.compute.get(name)]
    known = found if found is not None and found.known else None
    return Moved(
        label=other.label if one.label == other.label else f"{one.label} = {other.label}",
        verdict=verdict,
        before_mm=_mean(old),
        after_mm=_mean(new),
        difference_mm=known.mean if known else None,
        low_mm=known.low if known else None,
        high_mm=known.high if known else None,
        p_holm=known.p_holm if known else None,
        seeds=found.seeds if found is not None else 0,
        why=why or (found.method if found is not None else ""),
        compute={name: (one.compute.get(name), other.compute.get(name)) for name in names},
        settings=dict(_settings(one.config, other.config)),
    )


def _mean(records: Sequence[Record]) -> float:
    return math.fsum(record.value("mpjpe", "test") for record in records) / len(records)


def _settings(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    """The dotted paths at which two configurations differ; a setting that one doesn't know is None there."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted({*one, *other}):
            yield from _settings(one.get(name), other.get(name), f"{path}.{name}".lstrip("."))
    elif one != other and path not in IDLE:
        yield path, (one, other)
