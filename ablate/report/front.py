"""Which configurations nothing beats on both axes, and how much of the plane they cover. Lower is better on both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ablate.records import Record
from ablate.report import protocol
from ablate.report.about import About
from ablate.report.columns import evidence
from ablate.report.names import METRICS, compute_unit
from ablate.report.results import error_unit, headline, labels, spread
from ablate.report.tables import TIMES, Column, Table, digits
from ablate.statistics.fronts import beatings, hypervolume, nondominated, volume
from ablate.statistics.samples import Samples

# The reference point lies this far beyond the worst value of each axis, so that the front's ends count too.
MARGIN = 1.1

# A group with fewer configurations is no front.
POINTS = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Front:
    """``points`` has a row a configuration: label, group, compute, error, spread (standard deviation over seeds, NaN
    for one), front (whether no other is as good on one axis and better on the other).

    ``hypervolume`` is the area between the front of the means and ``reference`` (compute, error); ``share`` is the same
    over the whole rectangle from the origin to it, so that it has no unit.
    """

    points: pd.DataFrame
    reference: tuple[float, float]
    hypervolume: float
    share: float


def front(frame: pd.DataFrame, about: About) -> Front | None:
    """The front of the report's metric (test split, deployable) against its compute, on the means over seeds; None
    where no record holds both.
    """
    errors = spread(headline(frame, about), labels(frame))
    costs = spread(frame[frame["metric"] == about.report.compute], labels(frame))
    groups = frame.drop_duplicates("label").set_index("label")["group"]
    points = pd.DataFrame(
        {"group": groups, "compute": costs["mean"], "error": errors["mean"], "spread": errors["std"]},
        index=pd.Index(labels(frame), name="label"),
    )
    points = points.dropna(subset=["compute", "error"])
    if points.empty:
        return None
    plane = points[["compute", "error"]].to_numpy()
    points["front"] = nondominated(plane)
    reference = (MARGIN * float(plane[:, 0].max()), MARGIN * float(plane[:, 1].max()))
    area = hypervolume(plane, reference)
    return Front(
        points=points.reset_index(),
        reference=reference,
        hypervolume=area,
        share=area / math.prod(reference),
    )


def volume_notes(best: Front, frame: pd.DataFrame, about: About, samples: Samples) -> list[str]:
    """How surely the front's hypervolume is known, in a sentence; none where no seed has every configuration."""
    costs = dict(zip(best.points["label"], best.points["compute"], strict=True))
    found = volume(evidence(headline(frame, about), samples), costs, best.reference)
    if found is None:
        return []
    unit = f"{compute_unit(about.report.compute)} {TIMES} {error_unit(frame, about)}"
    if math.isnan(found.low):
        return [f"Hypervolume {best.hypervolume:.4g} {unit}: one seed gives no interval."]
    return [
        f"Hypervolume of the front of means {best.hypervolume:.4g} {unit}; of a seed's own front {found.mean:.4g} on"
        f" average over {found.seeds} seeds, 95 % interval {found.low:.4g} to {found.high:.4g}: it speaks of other"
        " trainings, on this test set."
    ]


def fronts_table(
    best: Front, frame: pd.DataFrame, records: Sequence[Record], about: About, samples: Samples
) -> Table | None:
    """Whose front covers more, for each pair of groups with two configurations at least; None where there is no such
    pair, or no seed that all of them have."""
    costs = {
        str(group): dict(zip(part["label"], part["compute"], strict=True))
        for group, part in best.points.groupby("group", sort=False)
        if len(part) >= POINTS
    }
    if len(costs) < 2:
        return None
    pairs = beatings(evidence(headline(frame, about), samples), costs, best.reference)
    if not pairs:
        return None
    names = [f"{pair.first} against {pair.second}" for pair in pairs]
    seeds = pd.Series([pair.seeds for pair in pairs], index=names)

    def values(field: str) -> pd.Series:
        return pd.Series([getattr(pair, field) for pair in pairs], index=names, dtype=float)

    unit = f"{compute_unit(about.report.compute)} {TIMES} {error_unit(frame, about)}"
    shown = digits(values("mean"), 3)
    columns = [
        Column(
            key="difference", title=f"difference ({unit})", mean=values("mean"), seeds=seeds, digits=shown, signed=True
        ),
        Column(key="low", title="95 % from", mean=values("low"), seeds=seeds, digits=shown, signed=True),
        Column(key="high", title="to", mean=values("high"), seeds=seeds, digits=shown, signed=True),
        Column(key="probability", title="P(beats)", mean=values("probability"), seeds=seeds, digits=3),
    ]
    notes = [
        protocol.summary(records),
        "Difference: the one front's hypervolume less the other's, up to the same reference point, the mean over seeds;"
        " P(beats): the probability that it is positive (Student's t around it, flat priors, over seeds and the units"
        " that differences are paired by). Where groups cover different ranges of compute, the longer front has an"
        " advantage.",
    ]
    if pairs[0].seeds == 1:
        notes.append("One seed: no interval and no probability.")
    heads = pd.DataFrame(
        {"front": [pair.first for pair in pairs], "against": [pair.second for pair in pairs]}, index=names
    )
    caption = f"Fronts of {METRICS[about.report.metric]} against compute, compared by hypervolume"
    return Table(name="fronts", caption=caption, notes=notes, heads=heads, columns=columns)
