"""The table of differences: each configuration against the baseline, how surely, and whether it matters."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from ablate.quantities import UNITS
from ablate.records import Record
from ablate.report import protocol
from ablate.report.about import About
from ablate.report.columns import evidence
from ablate.report.names import METRICS, shown
from ablate.report.results import error_unit, headline, heads
from ablate.report.tables import Column, Table
from ablate.statistics.differences import Difference, against
from ablate.statistics.samples import Samples

SMALL_P = 0.001  # below it a p-value is not told further

READING = (
    "Difference: the configuration less the baseline, negative where it errs less, with its 95 % interval, which speaks"
    " of other trainings (and of other subjects where it says so). p is corrected by Holm's method over the rows."
)
ONE_SEED = "One seed in common: no interval, since a single training says nothing of others."


def found(frame: pd.DataFrame, about: About, samples: Samples) -> dict[str, Difference]:
    """The difference of every other configuration against the baseline, in the report's metric; none where the baseline
    has no record."""
    if about.baseline not in samples.labels:
        return {}
    return against(evidence(headline(frame, about), samples), about.baseline, about.report.margin_mm)


def differences_table(frame: pd.DataFrame, records: Sequence[Record], about: About, samples: Samples) -> Table | None:
    """Each configuration against the baseline; None where there is nothing to compare."""
    rows = found(frame, about, samples)
    if not rows:
        return None
    unit = error_unit(frame, about)
    methods = Counter(row.method for row in rows.values() if row.known)
    told = [f"{method} ({count})" if len(methods) > 1 else method for method, count in methods.items()]
    notes = [protocol.summary(records), READING]
    notes += [f"How: {'; or '.join(told)}."] if told else []
    notes += [ONE_SEED] if any(not row.known for row in rows.values()) else []
    if unit == "mm":
        notes.append(f"Nil: the probability that the difference is smaller than {shown(about.report.margin_mm)} mm.")
    return Table(
        name="differences",
        caption=f"Test {METRICS[about.report.metric]} against {about.baseline} ({unit})",
        notes=notes,
        heads=heads(records, about).loc[list(rows)],
        columns=columns(rows, unit),
    )


def columns(rows: dict[str, Difference], unit: str) -> list[Column]:
    """Difference, interval, p, probability of being practically nil (of millimetres alone, as the margin is)."""
    seeds = pd.Series({label: row.seeds for label, row in rows.items()})
    tail = UNITS[unit]

    def column(key: str, title: str, field: str, digits: int = 2, *, signed: bool = False, p: bool = False) -> Column:
        values = pd.Series({label: getattr(row, field) for label, row in rows.items()}, dtype=float)
        least = SMALL_P if p else None
        return Column(key=key, title=title, mean=values, seeds=seeds, digits=digits, signed=signed, least=least)

    made = [
        column(f"difference{tail}", f"difference ({unit})", "mean", signed=True),
        column(f"low{tail}", "95 % from", "low", signed=True),
        column(f"high{tail}", "to", "high", signed=True),
        column("p_holm", "p (Holm)", "p_holm", 3, p=True),
        column("p", "p alone", "p", 3, p=True),
    ]
    if unit == "mm":
        made.append(column("nil", "nil", "nil"))
    made.append(column("seeds_compared", "seeds", "seeds", 0))
    return made
