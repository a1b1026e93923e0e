"""The study's tables: configurations against errors and compute, by split, by action, by denoising step."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from ablate.records import Record
from ablate.report import protocol
from ablate.report.about import About
from ablate.report.control import NOTE, control
from ablate.report.effects import effects_table
from ablate.report.front import Front
from ablate.report.names import COMPUTE, METRICS, compute_title
from ablate.report.results import error_unit, errors, heads, labels, overall, spread
from ablate.report.tables import MINUS, TIMES, Column, Table, digits, noise

# Closed-form values: every seed of a configuration has the same.
EXACT = ("inference_gmacs", "training_gmacs", "params_m")

ORACLE = "†oracle: picks among the hypotheses by the ground truth, so it is out of reach in use and not ranked."


def tables(frame: pd.DataFrame, records: Sequence[Record], about: About, best: Front | None) -> tuple[Table, ...]:
    """Every table that the records allow, the main comparison first; ``best`` is None where no front can be drawn."""
    made = [main_table(frame, records, about)]
    if best is not None:
        made.append(front_table(frame, records, about, best))
    made += filter(None, [effects_table(frame, records, about)])
    made.append(validation_table(frame, records, about))
    rows = errors(frame, "test")
    rows = rows[(rows["metric"] == about.report.metric) & ~rows["oracle"]]
    last = rows[rows["step"] == rows["steps"]]
    if (last["action"] != "").any():
        title = f"Test {METRICS[about.report.metric]} by action"
        made.append(_by("per_action", title, last[last["action"] != ""], "action", str, records, about))
    if (rows["steps"] > 1).any():
        title = f"Test {METRICS[about.report.metric]} after each denoising step"
        made.append(_by("per_step", title, rows[rows["action"] == ""], "step", "step {}".format, records, about))
    return tuple(made)


def main_table(frame: pd.DataFrame, records: Sequence[Record], about: About) -> Table:
    """Test errors, compute and its reduction against the baseline, a row a configuration."""
    rows = overall(frame, "test")
    deployable = _error_columns(rows[~rows["oracle"]], labels(frame))
    oracles = _error_columns(rows[rows["oracle"] & (rows["metric"] == about.report.metric)], labels(frame))
    beside = control(records, about, error_unit(frame, about))
    columns = [*deployable, *filter(None, [beside]), *oracles, *_compute_columns(frame, about)]
    notes = [protocol.summary(records), *_rank_notes(deployable)]
    if beside is not None:
        notes.append(NOTE)
    if oracles:
        notes.append(ORACLE)
    if about.baseline in labels(frame):
        notes.append(f"Reductions and speed ratios are against {about.baseline}.")
    else:
        notes.append(f"The baseline {about.baseline} is not finished: nothing can be compared with it yet.")
    notes.append("Inference counts one window with all its passes, training one sample's forward pass.")
    notes += filter(None, [protocol.beside(records)])
    caption = f"{about.name}: test error and compute of each configuration"
    return Table(name="main", caption=caption, notes=notes, heads=heads(records, about), columns=columns)


def front_table(frame: pd.DataFrame, records: Sequence[Record], about: About, best: Front) -> Table:
    """The configurations that nothing beats on both axes, cheapest first."""
    points = best.points[best.points["front"]].sort_values(["compute", "label"])
    every = list(points["label"])
    main = main_table(frame, records, about)
    error, cost = f"{about.report.metric}_mean_", about.report.compute
    columns = [
        replace(c, mean=c.mean[every], std=None if c.std is None else c.std[every], seeds=c.seeds[every])
        for c in main.columns
        if c.key.startswith(error) or c.key in (cost, cost.replace("_gmacs", "_reduction_percent"))
    ]
    caption = f"The front: {METRICS[about.report.metric]} against {compute_title(cost)}, cheapest first"
    notes = [protocol.summary(records), *_rank_notes(columns)]
    return Table(name="front", caption=caption, notes=notes, heads=main.heads.loc[every], columns=columns)


def validation_table(frame: pd.DataFrame, records: Sequence[Record], about: About) -> Table:
    """Errors on the split that picks epochs and feeds searches: never the ones to report."""
    rows = overall(frame, "validation")
    columns = _error_columns(rows[~rows["oracle"]], labels(frame))
    notes = [protocol.summary(records, "validation"), *_rank_notes(columns)]
    caption = "Validation error of each configuration (this split picks epochs and steers searches)"
    return Table(name="validation", caption=caption, notes=notes, heads=heads(records, about), columns=columns)


def _by(
    name: str,
    title: str,
    rows: pd.DataFrame,
    field: str,
    heading: Callable[[object], str],
    records: Sequence[Record],
    about: About,
) -> Table:
    """One metric with a column for each value of ``field``."""
    every = list(dict.fromkeys(record.label for record in records))
    unit = _unit(rows)
    columns = [
        _column(rows[rows[field] == value], every, key=f"{field}_{value}_{_slug(unit)}", title=heading(value))
        for value in sorted(rows[field].unique())
    ]
    notes = [protocol.summary(records), *_rank_notes(columns)]
    return Table(name=name, caption=f"{title} ({unit})", notes=notes, heads=heads(records, about), columns=columns)


def _unit(rows: pd.DataFrame) -> str:
    return ", ".join(sorted(rows["unit"].unique()))


def _slug(unit: str) -> str:
    return unit.replace("/", "_per_")


def _column(rows: pd.DataFrame, every: Sequence[str], key: str, title: str, ranked: bool = True) -> Column:
    values = spread(rows, every)
    seeds = values["count"].fillna(0)
    return Column(key=key, title=title, mean=values["mean"], std=values["std"], seeds=seeds, ranked=ranked)


def _error_columns(rows: pd.DataFrame, every: Sequence[str]) -> list[Column]:
    """A column for each aggregation and metric; an oracle says what it is, and is not ranked."""
    columns = []
    kinds = rows[["aggregation", "oracle"]].drop_duplicates().sort_values("aggregation")
    for aggregation, oracle in kinds.itertuples(index=False):
        for metric, name in METRICS.items():
            part = rows[(rows["metric"] == metric) & (rows["aggregation"] == aggregation)]
            if part.empty:
                continue
            unit = _unit(part)
            title = name if aggregation == "mean" else f"{name} {aggregation}{' †oracle' if oracle else ''}"
            key = f"{metric}_{aggregation}{'_oracle' if oracle else ''}_{_slug(unit)}"
            columns.append(_column(part, every, key, f"{title} ({unit})", ranked=not oracle))
    return columns


def _compute_columns(frame: pd.DataFrame, about: About) -> list[Column]:
    """Every compute value that was measured; their reduction beside MACs, their ratio beside latency."""
    columns = []
    for name in COMPUTE:
        rows = frame[(frame["metric"] == name) & (frame["split"] == "")]
        if rows.empty:
            continue
        values = spread(rows, labels(frame))
        mean, seeds = values["first" if name in EXACT else "mean"], values["count"].fillna(0)
        std = None if name in EXACT else values["std"]
        columns.append(
            Column(key=name, title=compute_title(name), mean=mean, std=std, seeds=seeds, digits=digits(mean))
        )
        base = mean.get(about.baseline, math.nan)
        if name.endswith("_gmacs"):
            key, title = name.replace("_gmacs", "_reduction_percent"), f"{COMPUTE[name]} reduction (%)"
            columns.append(Column(key=key, title=title, mean=(1 - mean / base) * 100, seeds=seeds, digits=1))
        if name == "latency_ms":
            columns.append(
                Column(key="speed_ratio", title=f"speed ratio ({TIMES})", mean=base / mean, seeds=seeds, digits=2)
            )
    return columns


def _rank_notes(columns: Sequence[Column]) -> list[str]:
    """Why something is bold, or why nothing is."""
    seeds = pd.concat([column.seeds for column in columns], axis=1).max(axis=1)
    if (seeds <= 1).all():
        return ["One seed: nothing is bold or underlined, since a single run can't tell a difference from chance."]
    if (seeds <= 1).any():
        few = int((seeds <= 1).sum())
        return [f"{few} of {len(seeds)} configurations have fewer than two seeds: nothing is bold until all have."]
    margins = ", ".join(f"{c.title} {noise(c.std, c.seeds):.2f}" for c in columns if c.std is not None)
    return [
        f"Mean ± standard deviation over {_count(seeds)} seeds.",
        "Bold: the lowest error and every error above it by less than the seed noise, so none of them is a win;"
        " underlined: the next lowest, by the same rule."
        f" Seed noise √(Σ(n{MINUS}1)s²/Σ(n{MINUS}1)), pooled over the rows: {margins}.",
    ]


def _count(seeds: pd.Series) -> str:
    low, high = int(seeds.min()), int(seeds.max())
    return str(low) if low == high else f"{low} to {high}"
