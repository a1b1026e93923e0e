"""Columns of errors, and what their marks mean: what the tables of a report are put together from."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ablate.quantities import UNITS
from ablate.report.names import LARGER, titled
from ablate.report.results import spread
from ablate.report.tables import MINUS, Column, noise
from ablate.statistics.differences import best, pairing
from ablate.statistics.samples import Samples

ORACLE = "†oracle: looks at the ground truth, so it is out of reach in use and not ranked."

BOLD = (
    "Bold: the best and all that can't be told from it, so that of several in bold none is known to win. Differences"
    " are judged by Student's t, and together by the studentised range over the rows: in 5 % of columns at most is"
    " anything left out that is as good."
)

# With more ways of pairing than this in a table they are not told column by column.
WAYS = 3


def unit_of(rows: pd.DataFrame) -> str:
    """The one unit of these rows."""
    return ", ".join(sorted(rows["unit"].unique()))


def evidence(rows: pd.DataFrame, samples: Samples) -> Samples:
    """What the rows of one column rest on, with the errors of windows where the records hold them (MPJPE of the mean
    pose after the last step, on the samples' split), else with the overall values, paired by seed alone."""
    last = not rows.empty and bool((rows["step"] == rows["steps"]).all() and rows["headline"].all())
    kind = rows[["metric", "aggregation", "split"]].drop_duplicates().to_numpy().tolist()
    if samples.recorded and last and kind == [["mpjpe", "mean", samples.split]]:
        actions = list(rows["action"].unique())
        if actions == [""]:
            return samples
        if len(actions) == 1 and actions[0] in samples.action_R:
            return samples.of_action(actions[0])
    values = zip(rows["label"], rows["seed"], rows["value"], strict=True)
    return samples.overall(samples.table(values), unit_of(rows))


def column(
    rows: pd.DataFrame,
    every: Sequence[str],
    key: str,
    title: str,
    *,
    samples: Samples | None = None,
    ranked: bool = True,
    spreads: bool = False,
) -> Column:
    """The values of one metric over seeds, a row a label; see Column for how they are shown. ``samples`` of the rows'
    records say what is bold; without them nothing is."""
    values = spread(rows, every)
    seeds = values["count"].fillna(0)
    larger = not rows.empty and rows["metric"].iloc[0] in LARGER
    rest = evidence(rows, samples) if ranked and samples is not None else None
    return Column(
        key=key,
        title=title,
        mean=values["mean"],
        std=values["std"],
        seeds=seeds,
        ranked=ranked,
        spreads=spreads,
        larger=larger,
        best=frozenset() if rest is None else best(rest, larger=larger),
        pairing="" if rest is None else pairing(rest),
    )


def error_columns(
    rows: pd.DataFrame, every: Sequence[str], names: Mapping[str, str], samples: Samples | None = None
) -> list[Column]:
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
            columns.append(column(part, every, key, titled(title, unit), samples=samples, ranked=not oracle))
    return columns


def seed_notes(columns: Sequence[Column]) -> list[str]:
    """What stands behind a plus or minus sign, where there is one."""
    seeds = pd.concat([column.seeds for column in columns], axis=1).max(axis=1)
    return [] if (seeds <= 1).all() else [f"Mean ± standard deviation over {_count(seeds)} seeds."]


def rank_notes(columns: Sequence[Column]) -> list[str]:
    """Why something is bold, or why nothing is."""
    seeds = pd.concat([column.seeds for column in columns], axis=1).max(axis=1)
    if (seeds <= 1).all():
        return ["One seed: nothing is bold, since a single training can't tell a difference from chance."]
    if (seeds <= 1).any():
        few = int((seeds <= 1).sum())
        return [f"{few} of {len(seeds)} configurations have fewer than two seeds: nothing is bold until all have."]
    ranked = [c for c in columns if c.ranked]
    margins = ", ".join(f"{c.title} {noise(c.std, c.seeds):.2f}" for c in ranked if c.std is not None)
    most = " Of PCK and AUC the highest is the best." if any(c.larger for c in ranked) else ""
    return [
        *seed_notes(columns),
        f"{BOLD}{most} {_pairings(ranked)}".strip(),
        f"Seed noise √(Σ(n{MINUS}1)s²/Σ(n{MINUS}1)), pooled over the rows: {margins}.",
    ]


def _pairings(columns: Sequence[Column]) -> str:
    """By what the differences in each column are paired."""
    ways = {way: [c.title for c in columns if c.pairing == way] for way in dict.fromkeys(c.pairing for c in columns)}
    ways.pop("", None)
    if len(ways) > WAYS:
        return "Paired by seed, and by the subjects that a column has, or the recordings where these are few."
    told = "; ".join(way if len(ways) == 1 else f"{', '.join(titles)} by {way}" for way, titles in ways.items())
    if not told:
        return ""
    return f"Paired by {told}." if len(ways) == 1 else f"Paired: {told}."


def _count(seeds: pd.Series) -> str:
    low, high = int(seeds.min()), int(seeds.max())
    return str(low) if low == high else f"{low} to {high}"
