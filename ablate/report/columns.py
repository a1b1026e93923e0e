"""Columns of errors, and what their marks mean: what the tables of a report are put together from."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ablate.quantities import UNITS
from ablate.report.names import LARGER, titled
from ablate.report.results import spread
from ablate.report.tables import MINUS, Column, noise

ORACLE = "†oracle: looks at the ground truth, so it is out of reach in use and not ranked."


def unit_of(rows: pd.DataFrame) -> str:
    """The one unit of these rows."""
    return ", ".join(sorted(rows["unit"].unique()))


def column(
    rows: pd.DataFrame, every: Sequence[str], key: str, title: str, *, ranked: bool = True, spreads: bool = False
) -> Column:
    """The values of one metric over seeds, a row a label; see Column for how they are shown."""
    values = spread(rows, every)
    seeds = values["count"].fillna(0)
    larger = not rows.empty and rows["metric"].iloc[0] in LARGER
    return Column(
        key=key,
        title=title,
        mean=values["mean"],
        std=values["std"],
        seeds=seeds,
        ranked=ranked,
        spreads=spreads,
        larger=larger,
    )


def error_columns(rows: pd.DataFrame, every: Sequence[str], names: Mapping[str, str]) -> list[Column]:
    """A column for each aggregation and each metric of ``names``, deployable before oracles; an oracle says what it is,
    and is not ranked."""
    columns = []
    kinds = rows[["aggregation", "oracle"]].drop_duplicates().sort_values("oracle", kind="stable")
    for aggregation, oracle in kinds.itertuples(index=False):
        for metric, name in names.items():
            part = rows[(rows["metric"] == metric) & (rows["aggregation"] == aggregation)]
            if part.empty:
                continue
            unit = unit_of(part)
            title = name if aggregation == "mean" else f"{name} {aggregation}{' †oracle' if oracle else ''}"
            key = f"{metric}_{aggregation}{'_oracle' if oracle else ''}{UNITS[unit]}"
            columns.append(column(part, every, key, titled(title, unit), ranked=not oracle))
    return columns


def seed_notes(columns: Sequence[Column]) -> list[str]:
    """What stands behind a plus or minus sign, where there is one."""
    seeds = pd.concat([column.seeds for column in columns], axis=1).max(axis=1)
    return [] if (seeds <= 1).all() else [f"Mean ± standard deviation over {_count(seeds)} seeds."]


def rank_notes(columns: Sequence[Column]) -> list[str]:
    """Why something is bold, or why nothing is."""
    seeds = pd.concat([column.seeds for column in columns], axis=1).max(axis=1)
    if (seeds <= 1).all():
        return ["One seed: nothing is bold or underlined, since a single run can't tell a difference from chance."]
    if (seeds <= 1).any():
        few = int((seeds <= 1).sum())
        return [f"{few} of {len(seeds)} configurations have fewer than two seeds: nothing is bold until all have."]
    margins = ", ".join(f"{c.title} {noise(c.std, c.seeds):.2f}" for c in columns if c.std is not None and c.ranked)
    most = " Of PCK and AUC the highest are meant." if any(c.larger for c in columns) else ""
    return [
        *seed_notes(columns),
        "Bold: the lowest error and every error above it by less than the seed noise, so none of them is a win;"
        f" underlined: the next lowest, by the same rule.{most}"
        f" Seed noise √(Σ(n{MINUS}1)s²/Σ(n{MINUS}1)), pooled over the rows: {margins}.",
    ]


def _count(seeds: pd.Series) -> str:
    low, high = int(seeds.min()), int(seeds.max())
    return str(low) if low == high else f"{low} to {high}"
