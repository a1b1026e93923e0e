"""How surely a front is known: its hypervolume, where its seeds' fronts lie, and whether it beats another.

Lower is better on both axes. A front's points are configurations: compute is exact (or a mean), the error varies by
seed and subject. Legend: L configurations, S seeds, R recordings, U units (subjects, or recordings of fewer than four),
P points of a staircase.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ablate.statistics.differences import ALPHA
from ablate.statistics.layout import crossed, units
from ablate.statistics.samples import Floats, Samples

Reference = tuple[float, float]  # compute and error that everything is better than


@dataclass(frozen=True, kw_only=True)
class Volume:
    """Hypervolume (Zitzler and Thiele 1998), in units of compute times error: the mean over seeds of each seed's own
    front, with its 95 % interval; NaN with one seed. It is a little more than that of the mean errors' front, as every
    seed is lucky somewhere."""

    mean: float
    low: float
    high: float
    seeds: int


@dataclass(frozen=True, kw_only=True)
class Beating:
    """Front ``first`` against front ``second``: ``mean`` is the one's hypervolume less the other's, with its 95 %
    interval, ``probability`` that it is positive; NaN with one seed."""

    first: str
    second: str
    mean: float
    low: float
    high: float
    probability: float
    seeds: int
    units: int


def nondominated(points_P2: np.ndarray) -> np.ndarray:
    """Membership in the front, bool (P,); equal points stay together."""
    import moocore

    return np.asarray(moocore.is_nondominated(points_P2, keep_weakly=True), dtype=bool)


def hypervolume(points_P2: np.ndarray, reference: Reference) -> float:
    """Area that ``points_P2`` dominate, up to ``reference`` (Zitzler and Thiele, 1998)."""
    import moocore

    return float(moocore.hypervolume(points_P2, ref=reference))


def attainment(cost_LS: Floats, error_LS: Floats, percents: Sequence[float] = (0, 50, 100)) -> dict[float, Floats]:
    """Where the fronts of single seeds lie: for each of ``percents`` a staircase, float64 (P, 2) of compute and error,
    by rising compute and falling error.

    What lies on or above the staircase of 50 is reached by at least half of the seeds' fronts; that of 0 by one at
    least (the best anywhere), that of 100 by all: the empirical attainment function (Grunert da Fonseca and Fonseca
    2001). With few seeds the quartiles are seeds themselves; 0, 50 and 100 say so. ``cost_LS`` and ``error_LS`` are
    float (L, S), NaN where a configuration lacks a seed; a seed counts with what it has. Empty where there is no point.
    """
    import moocore

    rows = [
        np.column_stack([cost_LS[known, seed], error_LS[known, seed], np.full(known.sum(), seed + 1.0)])
        for seed in range(error_LS.shape[1])
        if (known := np.isfinite(cost_LS[:, seed]) & np.isfinite(error_LS[:, seed])).any()
    ]
    if not rows:
        return {}
    runs = len(rows)
    data = np.concatenate(rows)
    data[:, 2] = np.unique(data[:, 2], return_inverse=True)[1] + 1
    levels = {percent: max(1, math.ceil(percent / 100 * runs - 1e-9)) for percent in percents}
    found = moocore.eaf(data[:, :2], sets=data[:, 2], percentiles=sorted({100 * k / runs for k in levels.values()}))
    nearest = {percent: 100 * level / runs for percent, level in levels.items()}
    stairs = {percent: found[np.isclose(found[:, 2], at)][:, :2] for percent, at in nearest.items()}
    return {percent: stair[np.lexsort((-stair[:, 1], stair[:, 0]))] for percent, stair in stairs.items()}


def volume(samples: Samples, cost: Mapping[str, float], reference: Reference) -> Volume | None:
    """The hypervolume of the configurations that ``cost`` lists, under the compute of each; None where they have no
    seed in common. Its interval is over seeds alone: subjects differ far more in how hard they are than fronts do.
    Raises KeyError for a label that the samples lack."""
    found = _volumes(samples, [cost], reference)
    if found is None:
        return None
    (whole_S,) = found[0]
    mean, low, high, _ = _judged(whole_S, whole_S[:, None], np.ones(1))
    return Volume(mean=mean, low=low, high=high, seeds=len(whole_S))


def beatings(samples: Samples, groups: Mapping[str, Mapping[str, float]], reference: Reference) -> list[Beating]:
    """Each of the fronts against each that comes after it; a front is a name and the compute of its configurations.

    All are measured on the seeds that every one of their configurations has. The probability is of Student's t around
    the difference (flat priors), whose error counts seeds and subjects as crossed: each unit's part in a hypervolume is
    its jackknife pseudo-value (Dorfman, Berbaum and Metz 1992). Empty where no seed is in common.
    """
    names = list(groups)
    found = _volumes(samples, groups.values(), reference)
    if found is None:
        return []
    whole_GS, pseudo_GSU, share_U = found
    made = []
    for a in range(len(names)):
        for b in range(a + 1, len(names)):
            mean, low, high, chance = _judged(whole_GS[a] - whole_GS[b], pseudo_GSU[a] - pseudo_GSU[b], share_U)
            made.append(
                Beating(
                    first=names[a],
                    second=names[b],
                    mean=mean,
                    low=low,
                    high=high,
                    probability=chance,
                    seeds=whole_GS.shape[1],
                    units=len(share_U),
                )
            )
    return made


def _volumes(
    samples: Samples, groups: Iterable[Mapping[str, float]], reference: Reference
) -> tuple[Floats, Floats, Floats] | None:
    """Each group's hypervolume by seed (G, S), its pseudo-values by seed and unit (G, S, U), and the units' shares.

    A unit's pseudo-value is what the hypervolume changes by when the unit is left out, over the unit's share.
    """
    placed = [{samples.place(label): value for label, value in group.items()} for group in groups]
    every = sorted(set().union(*placed))
    error_LSR = samples.error_LSR[every]
    recordings = np.flatnonzero(np.isfinite(error_LSR).any(axis=(0, 1)))
    seeds = np.flatnonzero(np.isfinite(error_LSR[:, :, recordings]).all(axis=(0, 2)))
    if not len(seeds) or not len(recordings):
        return None
    unit_RU, share_U, _ = units(samples, recordings)
    row_of = {place: row for row, place in enumerate(every)}
    error_LSU = error_LSR[:, seeds][:, :, recordings] @ unit_RU
    whole_LS = error_LSU @ share_U
    whole_GS = np.empty((len(placed), len(seeds)))
    pseudo_GSU = np.empty((len(placed), len(seeds), len(share_U)))
    for number, group in enumerate(placed):
        rows, cost_L = [row_of[place] for place in group], np.array(list(group.values()))
        for seed in range(len(seeds)):
            whole_L = whole_LS[rows, seed]
            whole = hypervolume(np.column_stack([cost_L, whole_L]), reference)
            whole_GS[number, seed] = whole
            for unit, share in enumerate(share_U):
                if share == 1:
                    pseudo_GSU[number, seed, unit] = whole
                    continue
                rest_L = (whole_L - share * error_LSU[rows, seed, unit]) / (1 - share)
                left = hypervolume(np.column_stack([cost_L, rest_L]), reference)
                pseudo_GSU[number, seed, unit] = (whole - (1 - share) * left) / share
    return whole_GS, pseudo_GSU, share_U


def _judged(whole_S: Floats, pseudo_SU: Floats, share_U: Floats) -> tuple[float, float, float, float]:
    """Mean over seeds, its 95 % bounds and the probability of being positive."""
    mean = float(whole_S.mean())
    _, spread = crossed(pseudo_SU[None], share_U)
    (error,) = spread.error_C
    if np.isnan(error):
        return mean, math.nan, math.nan, math.nan
    if error == 0:
        return mean, mean, mean, 0.5 + 0.5 * float(np.sign(mean))
    half, tail = float(spread.quantile(ALPHA / 2)[0] * error), float(spread.tail(np.abs([mean]) / error)[0])
    return mean, mean - half, mean + half, tail if mean < 0 else 1 - tail
