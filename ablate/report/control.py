"""The smoothing control beside pruned rows: dense poses from the same weights, low-passed to as few frames."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ablate.canonical import canonical_json
from ablate.records import Record
from ablate.report.about import About
from ablate.report.names import METRICS
from ablate.report.results import spread
from ablate.report.tables import Column

NOTE = (
    "Smoothed dense: poses from the same weights on all frames, low-passed in time to what as many evenly kept frames"
    " could follow. It shows what smoothing gives by itself: a pruned row that is no better owes nothing to its choice"
    " of frames."
)


def control(records: Sequence[Record], about: About, unit: str) -> Column | None:
    """For each pruned configuration the test error of its smoothing control, seed by seed; None where no control ran.

    A control is a record of the same training that prunes nothing and was smoothed to the frames that the pruned one
    keeps, evaluated alike in all else.
    """
    dense = [r for r in records if r.compute.get("kept_frames") == r.config["model"]["frames"]]
    controls = {_key(record, _low_pass(record)): record for record in dense if _low_pass(record) is not None}
    found = [
        {"label": record.label, "value": controls[key].value(about.report.metric, "test")}
        for record in records
        if _low_pass(record) is None and (key := _key(record, record.compute.get("kept_frames"))) in controls
    ]
    if not found:
        return None
    values = spread(pd.DataFrame(found), list(dict.fromkeys(record.label for record in records)))
    return Column(
        key=f"{about.report.metric}_smoothed_dense_{unit}",
        title=f"{METRICS[about.report.metric]} smoothed dense ({unit})",
        mean=values["mean"],
        std=values["std"],
        seeds=values["count"].fillna(0),
        spreads=True,
    )


def _low_pass(record: Record) -> int | None:
    """How many frames the poses were smoothed to; None where they were judged as they came."""
    kept: int | None = record.config["evaluate"].get("low_pass")
    return kept


def _key(record: Record, kept: float | None) -> tuple[Any, ...]:
    evaluate = {name: value for name, value in record.config["evaluate"].items() if name != "low_pass"}
    return record.training_key, record.seed, canonical_json(evaluate), kept
