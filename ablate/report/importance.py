"""The table of importances: which swept values the error depends on, where a study tried enough of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from ablate.records import Record
from ablate.report import protocol
from ablate.report.about import About
from ablate.report.names import METRICS
from ablate.report.results import error_unit, headline
from ablate.report.tables import Column, Table

ENOUGH = 20  # configurations of a group; with fewer a forest of trees says little

Importances = Callable[[Sequence[Mapping[str, Any]], Sequence[float]], Mapping[str, float]]

READING = (
    "Share of what explains the differences between configurations (the mean over seeds of each) that a swept value"
    " explains by itself, by fANOVA (Optuna's, over a forest of regression trees); shares of a group add up to 100 %."
    " They say on what the error depended over the values that were tried, not which value is best."
)


def importance_table(
    frame: pd.DataFrame, records: Sequence[Record], about: About, importances: Importances
) -> Table | None:
    """A row for each swept path of each group with at least 20 configurations and two paths; None where none has.

    ``importances`` takes the configurations' values and errors, and gives each path's share.
    """
    errors = headline(frame, about).groupby("label", sort=False)["value"].mean()
    rows: list[dict[str, Any]] = []
    for group in dict.fromkeys(record.group for record in records):
        params = {r.label: r.params for r in records if r.group == group and r.label in errors.index}
        if len(params) < ENOUGH or len(set().union(*params.values())) < 2:
            continue
        found = importances(list(params.values()), [float(errors[label]) for label in params])
        rows += [{"configuration": group, "value": path, "share": share} for path, share in found.items()]
    if not rows:
        return None
    index = [f"{row['configuration']}: {row['value']}" for row in rows]
    made = pd.DataFrame(rows, index=index)
    seeds = pd.Series(len({record.seed for record in records}), index=index)
    share = Column(key="importance_percent", title="importance (%)", mean=100 * made["share"], seeds=seeds, digits=1)
    return Table(
        name="importance",
        caption=f"Importance of each swept value for test {METRICS[about.report.metric]} ({error_unit(frame, about)})",
        notes=[protocol.summary(records), READING],
        heads=made[["configuration", "value"]],
        columns=[share],
    )
