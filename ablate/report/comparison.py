"""The study's tables: configurations against errors and compute, by split, by action, by denoising step."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from ablate.quantities import UNITS
from ablate.records import Record
from ablate.report import protocol
from ablate.report.about import About
from ablate.report.columns import ORACLE, column, error_columns, rank_notes, unit_of
from ablate.report.control import NOTE, control
from ablate.report.differences import differences_table
from ablate.report.effects import effects_table
from ablate.report.front import Front, fronts_table, volume_notes
from ablate.report.further import further_tables
from ablate.report.importance import Importances, importance_table
from ablate.report.names import COMPUTE, METRICS, compute_title
from ablate.report.published import published
from ablate.report.results import error_unit, errors, heads, labels, overall, spread
from ablate.report.sliced import slice_tables
from ablate.report.tables import TIMES, Column, Table, digits
from ablate.statistics.samples import Samples, samples

# Closed-form values: every seed of a configuration has the same.
EXACT = ("inference_gmacs", "training_gmacs", "params_m")

# The oracles that stand beside the main comparison; the table of hypotheses has them all.
BOUNDS = ("p_best", "j_best")


def tables(
    frame: pd.DataFrame,
    records: Sequence[Record],
    about: About,
    best: Front | None,
    test: Samples | None = None,
    importances: Importances | None = None,
) -> tuple[Table, ...]:
    """Every table that the records allow, the main comparison first; ``best`` is None where no front can be drawn.

    ``test`` are the records' samples where somebody has them already; ``importances`` tells those of swept values.
    """
    test = samples(records) if test is None else test
    main = main_table(frame, records, about, test)
    beside = [published(records, about).table, differences_table(frame, records, about, test)]
    made = [main, *filter(None, beside)]
    if best is not None:
        notes = volume_notes(best, frame, about, test)
        made.append(front_table(main, records, about, best, notes))
        made += filter(None, [fronts_table(best, frame, records, about, test)])
    made += filter(None, [effects_table(frame, records, about, test)])
    if importances is not None:
        made += filter(None, [importance_table(frame, records, about, importances)])
    made += slice_tables(frame, records, about)
    made.append(validation_table(frame, records, about))
    rows = errors(frame, "test")
    rows = rows[(rows["metric"] == about.report.metric) & (rows["aggregation"] == "mean")]
    last = rows[rows["step"] == rows["steps"]]
    if (last["action"] != "").any():
        title = f"Test {METRICS[about.report.metric]} by action"
        made.append(_by("per_action", title, last[last["action"] != ""], "action", str, records, about, test))
    if (rows["steps"] > 1).any():
        title = f"Test {METRICS[about.report.metric]} after each denoising step"
        made.append(_by("per_step", title, rows[rows["action"] == ""], "step", "step {}".format, records, about, test))
    return (*made, *further_tables(frame, records, about, test))


def main_table(frame: pd.DataFrame, records: Sequence[Record], about: About, test: Samples) -> Table:
    """Test errors, compute and its reduction against the baseline, a row a configuration."""
    rows = overall(frame, "test")
    deployable = error_columns(rows[rows["aggregation"] == "mean"], labels(frame), METRICS, test)
    metric = about.report.metric
    oracles = error_columns(rows[rows["aggregation"].isin(BOUNDS)], labels(frame), {metric: METRICS[metric]})
    beside = control(records, about, error_unit(frame, about))
    columns = [*deployable, *filter(None, [beside]), *oracles, *_compute_columns(frame, about)]
    notes = [protocol.summary(records), *rank_notes(deployable)]
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


def front_table(main: Table, records: Sequence[Record], about: About, best: Front, notes: Sequence[str]) -> Table:
    """The configurations of the main table that nothing beats on both axes, cheapest first."""
    points = best.points[best.points["front"]].sort_values(["compute", "label"])
    every = list(points["label"])
    error, cost = f"{about.report.metric}_mean_", about.report.compute
    columns = [
        replace(c, mean=c.mean[every], std=None if c.std is None else c.std[every], seeds=c.seeds[every])
        for c in main.columns
        if c.key.startswith(error) or c.key in (cost, cost.replace("_gmacs", "_reduction_percent"))
    ]
    caption = f"The front: {METRICS[about.report.metric]} against {compute_title(cost)}, cheapest first"
    told = [protocol.summary(records), *rank_notes(columns), *notes]
    return Table(name="front", caption=caption, notes=told, heads=main.heads.loc[every], columns=columns)


def validation_table(frame: pd.DataFrame, records: Sequence[Record], about: About) -> Table:
    """Errors on the split that picks epochs and feeds searches: never the ones to report."""
    rows = overall(frame, "validation")
    rows = rows[rows["aggregation"] == "mean"]
    columns = error_columns(rows, labels(frame), METRICS, samples(records, "validation"))
    notes = [protocol.summary(records, "validation"), *rank_notes(columns)]
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
    test: Samples,
) -> Table:
    """One metric with a column for each value of ``field``."""
    every = list(dict.fromkeys(record.label for record in records))
    unit = unit_of(rows)
    columns = [
        column(
            rows[rows[field] == value],
            every,
            key=f"{field}_{value}{UNITS[unit]}",
            title=heading(value),
            samples=test,
        )
        for value in sorted(rows[field].unique())
    ]
    notes = [protocol.summary(records), *rank_notes(columns)]
    return Table(name=name, caption=f"{title} ({unit})", notes=notes, heads=heads(records, about), columns=columns)


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
