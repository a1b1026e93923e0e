"""Differences of configurations: how large, how surely, and which configurations nothing is known to beat."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ablate.statistics.layout import SUBJECTS, Estimates, Spread, estimate
from ablate.statistics.samples import Floats, Samples

MARGIN_MM = 0.1  # a difference that no application would notice
LEVEL = 0.95  # of every interval
ALPHA = 1 - LEVEL  # how often at most a column or table may tell apart what is the same


@dataclass(frozen=True, kw_only=True)
class Difference:
    """``mean`` is ``label`` less ``reference``, in the samples' unit: negative where ``label`` errs less.

    ``low`` and ``high`` bound it with 95 % confidence, ``p`` is two-sided, ``p_holm`` the same over all differences of
    a table (equal to ``p`` for one alone), ``nil`` the posterior probability that it is smaller than the margin either
    way; ``error`` is the standard error, and ``half`` gives any other interval. With fewer than two seeds in common all
    of these are NaN. ``seeds``, ``subjects`` and ``recordings`` count what it rests on, the last two 0 where only
    overall values are known; ``method`` says how, in a sentence without its end.
    """

    label: str
    reference: str
    mean: float
    low: float
    high: float
    p: float
    p_holm: float
    nil: float
    error: float
    spread: Spread
    seeds: int
    subjects: int
    recordings: int
    method: str

    @property
    def known(self) -> bool:
        """Whether there is an interval at all."""
        return math.isfinite(self.low)

    def half(self, alpha: float = ALPHA) -> float:
        """Half of the interval's width that leaves out the truth with probability ``alpha``."""
        return 0.0 if self.error == 0 else self.error * float(self.spread.quantile(alpha / 2)[0])

    @property
    def told(self) -> bool:
        """Whether the difference survives Holm's correction at 5 %."""
        return self.p_holm < ALPHA


def difference(samples: Samples, label: str, reference: str, margin_mm: float = MARGIN_MM) -> Difference:
    """``label`` less ``reference``, by itself. Raises KeyError for a label that isn't there."""
    return differences(samples, [(label, reference)], margin_mm)[0]


def against(samples: Samples, baseline: str, margin_mm: float = MARGIN_MM) -> dict[str, Difference]:
    """Every other configuration less ``baseline``, with Holm's correction over them. Raises KeyError as above."""
    pairs = [(label, baseline) for label in samples.labels if label != baseline]
    found = differences(samples, pairs, margin_mm)
    corrected = holm([one.p for one in found])
    return {one.label: replace(one, p_holm=p) for one, p in zip(found, corrected, strict=True)}


def differences(samples: Samples, pairs: Sequence[tuple[str, str]], margin_mm: float = MARGIN_MM) -> list[Difference]:
    """Differences of pairs (label, reference), each by itself. Raises KeyError for a label that isn't there."""
    coefficient_CL = np.zeros((len(pairs), len(samples.labels)))
    for row, (label, reference) in enumerate(pairs):
        coefficient_CL[row, samples.place(label)] += 1
        coefficient_CL[row, samples.place(reference)] -= 1
    found = estimate(samples, coefficient_CL)
    error_C = found.spread.error_C
    low_C, high_C, p_C, nil_C = judged(found, margin_mm)
    return [
        Difference(
            label=label,
            reference=reference,
            mean=float(found.mean_C[row]),
            low=float(low_C[row]),
            high=float(high_C[row]),
            p=float(p_C[row]),
            p_holm=float(p_C[row]),
            nil=float(nil_C[row]),
            error=float(error_C[row]),
            spread=found.spread.only(row),
            seeds=int(found.seeds_C[row]),
            subjects=int(found.subjects_C[row]),
            recordings=int(found.recordings_C[row]),
            method=_method(samples, found, row, _together(samples, label, reference)),
        )
        for row, (label, reference) in enumerate(pairs)
    ]


def judged(found: Estimates, margin: float) -> tuple[Floats, Floats, Floats, Floats]:
    """95 % bounds, two-sided p and the probability of being smaller than ``margin`` either way, each (C,).

    The last takes the interval's own quantiles for a posterior (flat priors), so that both say the same. (The
    correlated and the hierarchical t test of baycomp are made for folds of one data set and for many data sets; seeds
    and subjects are neither.)
    """
    mean_C, error_C = found.mean_C, found.spread.error_C
    exact_C = error_C == 0  # no seed and no subject differs: identical poses, say
    half_C = np.where(exact_C, 0.0, found.spread.quantile(ALPHA / 2) * error_C)
    scale_C = np.where(exact_C, 1.0, error_C)

    def below(limit: float) -> Floats:
        """The probability that the truth lies below ``limit``."""
        distance_C = (limit - mean_C) / scale_C
        tail_C = found.spread.tail(np.abs(distance_C))
        return np.where(distance_C < 0, tail_C, 1 - tail_C)

    p_C = np.where(exact_C, (mean_C == 0).astype(float), 2 * found.spread.tail(np.abs(mean_C) / scale_C))
    nil_C = np.where(exact_C, (np.abs(mean_C) < margin).astype(float), below(margin) - below(-margin))
    return mean_C - half_C, mean_C + half_C, p_C, nil_C


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected by Holm (1979) over those that are numbers; NaN stays NaN.

    (scipy has no such correction, and statsmodels' collects garbage on each call, 50 ms of a report's time.)
    """
    values = np.array(p, np.float64)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    values[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)))
    return [float(value) for value in values]


def best(samples: Samples, *, larger: bool = False) -> frozenset[str]:
    """The configuration with the lowest mean (``larger``: the highest), and all that can't be told from it.

    Nothing unless each configuration that has a value has two seeds. Each is compared with the lowest by the
    studentised range over all of them (Tukey 1949, with each pair's own error as Games and Howell 1976): all pairs
    count, since which is the lowest was seen in the same numbers. So the chance that any configuration is left out
    though it is as good as the lowest is about 5 % at most, whatever is true.
    """
    seeds_L = np.isfinite(samples.mean_LS).sum(axis=1)
    measured = np.flatnonzero(seeds_L)
    if not len(measured) or seeds_L[measured].min() < 2:
        return frozenset()
    sign = -1.0 if larger else 1.0
    lowest = measured[np.argmin(sign * np.nanmean(samples.mean_LS[measured], axis=1))]
    others = measured[measured != lowest]
    coefficient_CL = np.zeros((len(others), len(samples.labels)))
    coefficient_CL[np.arange(len(others)), others] = sign
    coefficient_CL[:, lowest] = -sign
    found = estimate(samples, coefficient_CL)
    limit_C = found.spread.weighted(lambda freedom_C: _ranges(len(measured), freedom_C))
    error_C = found.spread.error_C  # NaN where two rows share no two seeds: what can't be compared can't be told apart
    beaten_C = found.mean_C > np.where(error_C == 0, 0.0, limit_C * error_C)
    return frozenset({samples.labels[lowest]} | {samples.labels[place] for place in others[~beaten_C]})


def _ranges(count: int, freedom_C: Floats) -> Floats:
    """By how many standard errors a difference must exceed nil, among all pairs of ``count`` configurations."""
    places = np.searchsorted(_FREEDOM, np.nan_to_num(freedom_C, nan=1.0), side="right") - 1
    limits = {place: _tabled(count, _FREEDOM[max(place, 0)]) for place in np.unique(places).tolist()}
    return np.array([limits[place] for place in places.tolist()])


# Degrees of freedom at which the range is looked up, as printed tables have them: the next lower one is used.
_FREEDOM = (*range(1, 21), 24, 30, 40, 60, 120, 1000)


@lru_cache(maxsize=4096)
def _tabled(count: int, freedom: int) -> float:
    from scipy import stats

    return float(stats.studentized_range.isf(ALPHA, count, freedom)) / math.sqrt(2)


def pairing(samples: Samples) -> str:
    """What these samples are paired by, in words: "seed and 5 subjects"."""
    if not samples.recorded:
        return "seed alone, on these recordings only"
    return f"seed and {_units(len(set(samples.subject_R)), len(samples.subject_R))}"


def _units(subjects: int, recordings: int) -> str:
    if subjects >= SUBJECTS:
        return f"{subjects} subjects"
    count = "1 recording" if recordings == 1 else f"{recordings} recordings"
    return f"{count} of {'this subject' if subjects == 1 else f'these {subjects} subjects'} only"


def _together(samples: Samples, label: str, reference: str) -> bool:
    """Whether both have the same weights, at each seed that both have."""
    keys = samples.training_LS[[samples.place(label), samples.place(reference)]]
    shared = (keys != "").all(axis=0)
    return bool(shared.any() and (keys[0] == keys[1])[shared].all())


def _method(samples: Samples, found: Estimates, row: int, together: bool) -> str:
    """How a contrast was judged, in words."""
    seeds, subjects, recordings = (int(values[row]) for values in (found.seeds_C, found.subjects_C, found.recordings_C))
    if seeds < 2:
        return "no seed in common" if not seeds else "one seed: nothing can be said of other trainings"
    rest = f" and {_units(subjects, recordings)}, crossed" if samples.recorded else " alone, on these recordings only"
    pooled = "; seed variance pooled over the study" if found.pooled_C[row] else ""
    return f"Student's t, paired by {seeds} seeds{rest}{pooled}{'; within the same weights' if together else ''}"
