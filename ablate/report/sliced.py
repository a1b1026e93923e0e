"""A table for each swept value: error and compute along it, everything else held fixed in a row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ablate.design import short_names
from ablate.quantities import UNITS
from ablate.records import Record
from ablate.report import protocol
from ablate.report.about import About
from ablate.report.columns import seed_notes
from ablate.report.names import COMPUTE, METRICS, compute_unit, shown
from ablate.report.results import error_unit, headline, spread
from ablate.report.tables import Column, Table, digits

# With more values than this, as where they are sampled, a figure shows the slice and no table.
VALUES = 12


@dataclass(frozen=True)
class _Line:
    """A row: ``heads`` is what it holds fixed, by column; ``labels`` the configuration at each value, as text."""

    heads: Mapping[str, str]
    labels: dict[str, str]


def slice_tables(frame: pd.DataFrame, records: Sequence[Record], about: About) -> Iterator[Table]:
    """One for each swept path of which at least two values, and not too many, stand in rows that are else the same."""
    for path in about.sweep:
        lines = _lines(path, records, about)
        values = _ordered([value for line in lines.values() for value in line.labels])
        if lines and len(values) <= VALUES:
            yield _table(path, lines, values, frame, records, about)


def _lines(path: str, records: Sequence[Record], about: About) -> dict[str, _Line]:
    """By name, those with two values of ``path`` or more."""
    names = short_names(about.sweep)
    found: dict[str, _Line] = {}
    for record in records:
        if path not in record.params:
            continue
        fixed = [other for other in about.sweep if other != path and other in record.params]
        heads = {"configuration": record.group} | {names[other]: shown(record.params[other]) for other in fixed}
        line = found.setdefault(", ".join(f"{name} {value}" for name, value in heads.items()), _Line(heads, {}))
        line.labels[shown(record.params[path])] = record.label
    return {name: line for name, line in found.items() if len(line.labels) > 1}


def _ordered(values: Sequence[str]) -> list[str]:
    """Each once: numbers by size, words as they come."""
    once = list(dict.fromkeys(values))
    try:
        return sorted(once, key=float)
    except ValueError:
        return once


def _table(
    path: str,
    lines: Mapping[str, _Line],
    values: Sequence[str],
    frame: pd.DataFrame,
    records: Sequence[Record],
    about: About,
) -> Table:
    name, metric, compute = short_names(about.sweep)[path], about.report.metric, about.report.compute
    unit = error_unit(frame, about)
    costs = frame[(frame["metric"] == compute) & (frame["split"] == "")]
    columns = [
        _column(headline(frame, about), lines, value, f"{metric}_at_{value}{UNITS[unit]}", f"{name} {value} ({unit})")
        for value in values
    ]
    if not costs.empty:
        of = compute_unit(compute)
        columns += [_column(costs, lines, v, f"{compute}_at_{v}", f"{name} {v} ({of})") for v in values]
    heads = pd.DataFrame.from_dict({row: dict(line.heads) for row, line in lines.items()}, orient="index", dtype=str)
    return Table(
        name=f"slice_{name.replace('.', '_')}",
        caption=f"Test {METRICS[metric]} ({unit}) and {COMPUTE[compute]} ({compute_unit(compute)}) by {name}",
        notes=[protocol.summary(records), "A row holds all else fixed.", *seed_notes(columns)],
        heads=heads.fillna(""),
        columns=columns,
    )


def _column(rows: pd.DataFrame, lines: Mapping[str, _Line], value: str, key: str, title: str) -> Column:
    """What the configurations at one value have, a row a line."""
    names = {line.labels[value]: name for name, line in lines.items() if value in line.labels}
    part = rows[rows["label"].isin(list(names))]
    found = spread(part.assign(label=part["label"].map(names)), list(lines))
    exact = "gmacs" in key
    return Column(
        key=key,
        title=title,
        mean=found["mean"],
        std=None if exact else found["std"],
        seeds=found["count"].fillna(0),
        digits=digits(found["mean"]) if exact else 2,
        spreads=True,
    )
