"""Which configurations nothing beats on both axes, and how much of the plane they cover. Lower is better on both."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ablate.report.about import About
from ablate.report.results import headline, labels, spread

# The reference point lies this far beyond the worst value of each axis, so that the front's ends count too.
MARGIN = 1.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Front:
    """``points`` has a row a configuration: label, group, compute, error, spread (standard deviation over seeds, NaN
    for one), front (whether no other is as good on one axis and better on the other).

    ``hypervolume`` is the area between the front and ``reference`` (compute, error); ``share`` is the same over the
    whole rectangle from the origin to it, so that it has no unit.
    """

    points: pd.DataFrame
    reference: tuple[float, float]
    hypervolume: float
    share: float


def nondominated(points_P2: np.ndarray) -> np.ndarray:
    """Membership in the front, bool (P,); equal points stay together."""
    import moocore

    return np.asarray(moocore.is_nondominated(points_P2, keep_weakly=True), dtype=bool)


def hypervolume(points_P2: np.ndarray, reference: tuple[float, float]) -> float:
    """Area that ``points_P2`` dominate, up to ``reference`` (Zitzler and Thiele, 1998)."""
    import moocore

    return float(moocore.hypervolume(points_P2, ref=reference))


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
    return Front(points=points.reset_index(), reference=reference, hypervolume=area, share=area / math.prod(reference))
