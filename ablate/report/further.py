"""The tables beside the main comparison: ways to use several hypotheses, the other protocol, what else was measured.

None of them is part of what a report compares by; each is left out where its numbers were not recorded.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from ablate.quantities import UNITS
from ablate.records import Record
from ablate.report import protocol
from ablate.report.about import About
from ablate.report.columns import ORACLE, column, error_columns, rank_notes, seed_notes, unit_of
from ablate.report.names import FURTHER, METRICS, SPREAD, titled
from ablate.report.results import beside, heads, labels, overall
from ablate.report.tables import Column, Table
from ablate.statistics.samples import Samples

AGGREGATIONS = (
    "Without a name: the mean of the hypotheses. jpma takes for each joint the hypothesis whose reprojection is nearest"
    " to the input, with the root where the mean pose reprojects best; jpma_true_root has it where it truly is, as"
    " D3DP's program does. geometric_median is each joint's, reprojection_weighted a mean by nearness to the input."
    " p_best takes the best hypothesis of each pose, j_best that of each joint"
)
CALIBRATED = (
    "Error over spread is the error of the mean over what the hypotheses' spread would lead one to expect: 1 where the"
    " truth might be one of them, more where they agree more than they are right. The rank correlation is over joints"
    " of frames, 0 where spread says nothing of error."
)
MEASURED = (
    "Bone variation: the standard deviation over time of a bone's length within a window; asymmetry: by how much bones"
    " of the left and the right differ in length. Neither looks at the truth: low is no merit by itself."
)


def further_tables(frame: pd.DataFrame, records: Sequence[Record], about: About, test: Samples) -> Iterator[Table]:
    """Those of these tables that the records allow."""
    rows = overall(frame, "test")
    if (rows["hypotheses"] > 1).any():
        yield from _hypotheses(rows[rows["hypotheses"] > 1], frame, records, about, test)
    other = beside(frame, "test")
    if not other.empty:
        yield _protocols(rows, other, frame, records, about)
    if set(FURTHER) & set(rows["metric"]) - set(METRICS):
        columns = _plain(rows, labels(frame), FURTHER)
        caption = "Further measures of the mean pose on the test split"
        yield _table("further", caption, [*seed_notes(columns), MEASURED], columns, records, about)


def _hypotheses(
    rows: pd.DataFrame, frame: pd.DataFrame, records: Sequence[Record], about: About, test: Samples
) -> Iterator[Table]:
    """A table of the report's metric by aggregation, and one of P-MPJPE."""
    batch = protocol.fact(records, "provenance.p_best_batch")
    said = AGGREGATIONS
    if "p_best_batch" in set(rows["aggregation"]):
        said += f", p_best_batch that of {batch} windows of a recording together, as D3DP's program picks it"
    for name, metric in {"hypotheses": about.report.metric, "hypotheses_p_mpjpe": "p_mpjpe"}.items():
        if name != "hypotheses" and metric == about.report.metric:
            continue
        columns = error_columns(rows, labels(frame), {metric: METRICS[metric]}, test)
        spreads = _plain(rows, labels(frame), SPREAD) if name == "hypotheses" else []
        notes = [*rank_notes(columns), f"{said}.", ORACLE, *([CALIBRATED] if spreads else [])]
        caption = f"Test {METRICS[metric]} by how the hypotheses become one pose"
        yield _table(name, caption, notes, [*columns, *spreads], records, about)


def _protocols(
    rows: pd.DataFrame, other: pd.DataFrame, frame: pd.DataFrame, records: Sequence[Record], about: About
) -> Table:
    """The same poses counted both ways, the report's own first."""
    columns = []
    for name, part in itertools.chain.from_iterable(some.groupby("protocol") for some in (rows, other)):
        titles = {metric: f"{title}, {name}" for metric, title in METRICS.items()}
        columns += _plain(part, labels(frame), titles, suffix=f"_{name}")
    caption = "Test errors of the mean pose under both protocols"
    return _table("protocols", caption, [*seed_notes(columns), protocol.PROTOCOLS], columns, records, about)


def _plain(rows: pd.DataFrame, every: Sequence[str], names: Mapping[str, str], suffix: str = "") -> list[Column]:
    """A column of the mean pose for each of these metrics that was measured; not ranked."""
    columns = []
    for metric, name in names.items():
        part = rows[(rows["metric"] == metric) & (rows["aggregation"] == "mean")]
        if not part.empty:
            unit = unit_of(part)
            key, title = f"{metric}{suffix}{UNITS[unit]}", titled(name, unit)
            columns.append(column(part, every, key, title, ranked=False, spreads=True))
    return columns


def _table(
    name: str, caption: str, notes: Sequence[str], columns: Sequence[Column], records: Sequence[Record], about: About
) -> Table:
    notes = [protocol.summary(records), *notes]
    return Table(name=name, caption=caption, notes=notes, heads=heads(records, about), columns=columns)
