"""The table of a factorial study: what each component does by itself, and how two depend on each other."""

import itertools
from collections.abc import Sequence

import pandas as pd

from ablate.records import Record
from ablate.report import protocol
from ablate.report.about import About
from ablate.report.names import COMPUTE, METRICS, compute_title, compute_unit
from ablate.report.results import error_unit, headline, spread
from ablate.report.tables import TIMES, Column, Table, digits, noise

READING = (
    "A component's effect is the mean of all configurations with it less the mean of all without. An interaction of two"
    " is half of what the one's effect changes by when the other is put in; where it is nil, their effects add up."
    " Each seed has its own effects: the mean and standard deviation are over seeds."
)


def effects_table(frame: pd.DataFrame, records: Sequence[Record], about: About) -> Table | None:
    """Main effects and two-way interactions on error and compute: the contrasts of a 2^n design (Yates, 1937).

    Only seeds with every combination of the components count; None where no seed has them all.
    """
    signs = _signs(records, about)
    if signs is None:
        return None
    compute = about.report.compute
    cost = frame[(frame["metric"] == compute) & (frame["split"] == "")]
    title = f"{METRICS[about.report.metric]} ({error_unit(frame, about)})"
    error = _column(headline(frame, about), signs, about.report.metric, title)
    if error is None:
        return None
    columns = [
        error,
        *filter(None, [_column(cost, signs, compute, compute_title(compute), spreads="latency" in compute)]),
    ]
    seeds = int(error.seeds.max())
    notes = [READING]
    if seeds == 1:
        notes.append("One seed: nothing here can be told from chance.")
    elif error.std is not None:
        size = noise(error.std, error.seeds)
        notes.append(
            f"Pooled over the rows, an effect's standard deviation is {size:.2f} {error_unit(frame, about)}: a smaller"
            " one says nothing."
        )
    heads = pd.DataFrame({"effect of": list(error.mean.index)}, index=error.mean.index)
    return Table(
        name="effects",
        caption=f"Effects of the components on test {title} and {COMPUTE[compute]} {compute_unit(compute)}",
        notes=[protocol.summary(records), *notes],
        heads=heads,
        columns=columns,
    )


def _signs(records: Sequence[Record], about: About) -> pd.DataFrame | None:
    """A row a configuration, a column a component and a pair of two: +1 where it is in, or both or neither are.

    None where the records hold no 2^n configurations that differ in n components alone.
    """
    inside = {
        r.label: dict(r.params) for r in records if r.params and all(isinstance(v, bool) for v in r.params.values())
    }
    names = [path for path in about.sweep if any(path in params for params in inside.values())]
    if len(names) < 2 or any(len(params) < len(names) for params in inside.values()):
        return None
    if len({tuple(params[name] for name in names) for params in inside.values()}) < 2 ** len(names):
        return None
    single = pd.DataFrame(inside).T[names].astype(int) * 2 - 1
    pairs = {f"{a} {TIMES} {b}": single[a] * single[b] for a, b in itertools.combinations(names, 2)}
    return single.assign(**pairs)


def _column(rows: pd.DataFrame, signs: pd.DataFrame, key: str, title: str, *, spreads: bool = True) -> Column | None:
    """Each seed's contrasts, as their mean and spread over the seeds that have every configuration."""
    values = rows.pivot_table(index="seed", columns="label", values="value").reindex(columns=signs.index).dropna()
    if values.empty:
        return None
    contrasts = (values @ signs) * 2 / len(signs)
    long = contrasts.melt(var_name="label", value_name="value")
    found = spread(long, list(signs.columns))
    return Column(
        key=key,
        title=f"effect on {title}",
        mean=found["mean"],
        std=found["std"],
        seeds=found["count"],
        digits=max(2, digits(found["mean"])),
        spreads=spreads,
    )
