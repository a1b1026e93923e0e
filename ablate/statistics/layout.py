"""How surely a contrast of configurations is known: seeds and subjects are both drawn, and crossed.

A contrast, say of one configuration less another, has a value for each seed and each unit: a subject (over all its
recordings), or a recording where there are fewer than four subjects. What recordings and seeds have in common in all
configurations drops out of it. Seeds (the noise of training) and units (whom it suits) are crossed random factors:

    d_su = contrast + seed_s + unit_u + rest_su

so that the mean's variance is estimated by V_seed / S + (V_unit - V_rest / S) q, with q the sum of the units' squared
shares (1 / U where they weigh the same): the two-way layout of readers and cases (Dorfman, Berbaum and Metz 1992;
Obuchowski and Rockette 1995), weighted. Each of the two parts is known by its own degrees of freedom. Quantiles are
those of Student's t for either, weighted by the parts (Cochran and Cox 1950): Satterthwaite's degrees of freedom give
the same 95 % intervals but for a few percent of their width, and are too sure far out, where p-values of many rows are
corrected and one of the parts has two degrees of freedom (see tests/statistics/simulate.py).

Legend: C contrasts, L labels, S seeds, R recordings, U units, T trainings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ablate.statistics.samples import Floats, Samples

# From so many subjects on, others can be imagined to be drawn as they were: three have two degrees of freedom (CMU's,
# of which one has two thirds of the frames, 1.8), so that an interval spans nearly five standard errors either way.
SUBJECTS = 4

# A contrast whose own seed variance is larger than that of all other trainings, at this level of an F test, keeps it.
UNLIKE = 0.05

# p-values and posteriors are told down to exp of this.
_SMALLEST, _HALVINGS = -70.0, 40


@dataclass(frozen=True, kw_only=True, eq=False)
class Spread:
    """The variance of a mean, each (C,): its part of seeds and its part of units, with the degrees of freedom by which
    either is known. NaN where there are fewer than two seeds."""

    seed_C: Floats
    seed_freedom_C: Floats
    unit_C: Floats
    unit_freedom_C: Floats

    @property
    def error_C(self) -> Floats:
        """The standard error."""
        return np.sqrt(self.seed_C + self.unit_C)

    def only(self, row: int) -> "Spread":
        """That of one contrast."""
        return Spread(**{name: values_C[row : row + 1] for name, values_C in vars(self).items()})

    def weighted(self, quantile: Callable[[Floats], Floats]) -> Floats:
        """``quantile`` of degrees of freedom, weighted by the parts; NaN where both are nil."""
        whole_C = self.seed_C + self.unit_C
        total_C = self.seed_C * quantile(self.seed_freedom_C)
        total_C = total_C + np.where(self.unit_C > 0, self.unit_C * quantile(self.unit_freedom_C), 0.0)
        return np.divide(total_C, whole_C, out=np.full_like(whole_C, np.nan), where=whole_C > 0)

    def quantile(self, tail: float | Floats) -> Floats:
        """By how many standard errors the mean is exceeded with probability ``tail``, at most a half."""
        from scipy.special import stdtrit

        return self.weighted(lambda freedom_C: -stdtrit(freedom_C, tail))

    def tail(self, distance_C: Floats) -> Floats:
        """With what probability the mean is exceeded by so many standard errors, 0 or more."""
        low_C, high_C = np.full_like(distance_C, _SMALLEST), np.full_like(distance_C, np.log(0.5))
        for _ in range(_HALVINGS):
            middle_C = (low_C + high_C) / 2
            beyond_C = self.quantile(np.exp(middle_C)) > distance_C
            low_C, high_C = np.where(beyond_C, middle_C, low_C), np.where(beyond_C, high_C, middle_C)
        return np.where(np.isfinite(self.error_C), np.exp(high_C), np.nan)


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimates:
    """Of each contrast: ``mean_C`` and its ``spread`` (NaN with fewer than two seeds: one training says nothing of
    others); ``seeds_C``, ``subjects_C`` and ``recordings_C`` count what it rests on; ``pooled_C`` says whether the seed
    variance is the study's.
    """

    mean_C: Floats
    spread: Spread
    seeds_C: npt.NDArray[np.int64]
    subjects_C: npt.NDArray[np.int64]
    recordings_C: npt.NDArray[np.int64]
    pooled_C: npt.NDArray[np.bool_]


def estimate(samples: Samples, coefficient_CL: Floats) -> Estimates:
    """Contrasts of configurations, float (C, L), each row adding up to 0.

    A contrast rests on the seeds and recordings that all of its configurations have. Where these were trained apart,
    the seed variance is pooled over the study, since it is the same noise of training; configurations of the same
    weights differ by less than that, so a contrast among them has its own.
    """
    used_CL = (coefficient_CL != 0).astype(np.float64)
    known_LSR = np.isfinite(samples.error_LSR)
    missing_LS = np.all(~known_LSR, axis=2)
    missing_LR = (~known_LSR & ~missing_LS[:, :, None]).any(axis=1)
    seed_CS = used_CL @ missing_LS == 0
    recording_CR = used_CL @ missing_LR == 0
    alike: dict[bytes, list[int]] = {}
    for row, pattern_SR in enumerate(np.hstack([seed_CS, recording_CR])):
        alike.setdefault(pattern_SR.tobytes(), []).append(row)
    count = len(coefficient_CL)
    mean_C, *parts = (np.full(count, np.nan) for _ in range(5))
    spread = Spread(**dict(zip(Spread.__annotations__, parts, strict=True)))
    seeds_C, subjects_C, recordings_C = (np.zeros(count, np.int64) for _ in range(3))
    pooled_C = np.zeros(count, np.bool_)
    for chosen in alike.values():
        seeds, recordings = np.flatnonzero(seed_CS[chosen[0]]), np.flatnonzero(recording_CR[chosen[0]])
        seeds_C[chosen], recordings_C[chosen] = len(seeds), len(recordings) if samples.recorded else 0
        if not len(seeds) or not len(recordings):
            continue
        unit_RU, share_U, subjects = units(samples, recordings)
        subjects_C[chosen] = subjects
        error_LSU = np.nan_to_num(samples.error_LSR[:, seeds][:, :, recordings]) @ unit_RU
        value_CSU = np.tensordot(coefficient_CL[chosen], error_LSU, 1)
        noise_C, freedom, pooled_C[chosen] = _seed_noise(samples, seeds, coefficient_CL[chosen], value_CSU @ share_U)
        mean_C[chosen], known = crossed(value_CSU, share_U, noise_C, freedom)
        for name, values_C in vars(known).items():
            getattr(spread, name)[chosen] = values_C
    return Estimates(
        mean_C=mean_C,
        spread=spread,
        seeds_C=seeds_C,
        subjects_C=subjects_C,
        recordings_C=recordings_C,
        pooled_C=pooled_C,
    )


def crossed(
    value_CSU: Floats, share_U: Floats, noise_C: Floats | None = None, noise_freedom_C: Floats | None = None
) -> tuple[Floats, Spread]:
    """Mean (C,) and its spread, of values by seed and unit; ``share_U`` adds up to 1.

    ``noise_C`` and ``noise_freedom_C``: the variance over seeds where more than these values tell it. With one unit
    nothing is known of others, and the spread is that over seeds alone.
    """
    seeds, square = value_CSU.shape[1], float(share_U @ share_U)
    value_CS, value_CU = value_CSU @ share_U, value_CSU.mean(axis=1)
    mean_C = value_CS.mean(axis=1)
    if seeds < 2:
        nan_C = np.full_like(mean_C, np.nan)
        return mean_C, Spread(seed_C=nan_C, seed_freedom_C=nan_C, unit_C=nan_C, unit_freedom_C=nan_C)
    noise_C = value_CS.var(axis=1, ddof=1) if noise_C is None else noise_C
    freedom_C = np.full_like(mean_C, seeds - 1) if noise_freedom_C is None else noise_freedom_C
    more_C, unit_freedom = np.zeros_like(mean_C), 1.0
    if square < 1:
        unit_CU = value_CU - mean_C[:, None]
        rest_CSU = value_CSU - value_CS[:, :, None] - unit_CU[:, None]
        unit_C = (unit_CU**2 @ share_U) / (1 - square) * square
        rest_C = (rest_CSU**2 @ share_U).sum(axis=1) / ((seeds - 1) * (1 - square)) * square / seeds
        more_C, unit_freedom = np.maximum(unit_C - rest_C, 0.0), _freedom(share_U)
    return mean_C, Spread(
        seed_C=noise_C / seeds,
        seed_freedom_C=freedom_C,
        unit_C=more_C,
        unit_freedom_C=np.full_like(mean_C, unit_freedom),
    )


def _freedom(share_U: Floats) -> float:
    """Degrees of freedom of a weighted variance, U - 1 where all weigh the same: tr(M)^2 / tr(M^2) of its quadratic
    form M = diag(share) - share share'."""
    square, cube = float((share_U**2).sum()), float((share_U**3).sum())
    return (1 - square) ** 2 / (square - 2 * cube + square**2)


def units(samples: Samples, recordings: npt.NDArray[np.int64]) -> tuple[Floats, Floats, int]:
    """How recordings become units, float (R, U), what share of the frames each unit has (U,), and how many subjects
    there are (0 where that isn't known)."""
    weight_R = samples.weight_R[recordings]
    if not samples.recorded:
        return np.ones((1, 1)), np.ones(1), 0
    names, subject_R = np.unique(np.array(samples.subject_R, np.str_)[recordings], return_inverse=True)
    member_RU = np.eye(len(recordings))
    if len(names) >= SUBJECTS:
        member_RU = np.eye(len(names))[subject_R]
    weight_U = weight_R @ member_RU
    return member_RU * weight_R[:, None] / weight_U, weight_U / weight_U.sum(), len(names)


def _seed_noise(
    samples: Samples, seeds: npt.NDArray[np.int64], coefficient_CL: Floats, value_CS: Floats
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """The variance over seeds of each contrast, its degrees of freedom, and whether it is the pooled one."""
    from scipy.special import fdtri

    free = len(seeds) - 1
    if free < 1:
        nan_C = np.full(len(value_CS), np.nan)
        return nan_C, nan_C, np.zeros(len(value_CS), np.bool_)
    own_C = value_CS.var(axis=1, ddof=1)
    training_L = _trainings(samples, seeds)
    together_CT = (coefficient_CL != 0) @ (training_L[:, None] == np.arange(training_L.max() + 1)).astype(np.float64)
    noises = _Noises.of(samples.mean_LS[:, seeds], training_L)
    size_C = (coefficient_CL**2).sum(axis=1)
    all_C, trainings_C = noises.pooled(np.ones_like(together_CT))
    rest_C, others_C = noises.pooled(together_CT == 0)
    limit_C = fdtri(free, free * np.maximum(others_C - 1, 1), 1 - UNLIKE)
    unlike_C = (others_C > 1) & (own_C > limit_C * rest_C * size_C)
    pooled_C = (together_CT.max(axis=1) <= 1) & (trainings_C > 2) & ~unlike_C
    noise_C = np.where(pooled_C, all_C * size_C, own_C)
    return noise_C, np.where(pooled_C, free * (trainings_C - 1), float(free)), pooled_C


def _trainings(samples: Samples, seeds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """A number for each label, (L,): the same where all of these seeds have the same weights."""
    keys = [tuple(row) for row in samples.training_LS[:, seeds].tolist()]
    number_of = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([number_of[key] for key in keys], np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Noises:
    """How trainings stray from their own means: ``square_T`` the squares' sum over seeds, the mean over a training's
    labels, ``mean_TS`` their mean; 0 where no label has all of the ``seeds``, which ``whole_T`` says.
    """

    square_T: Floats
    mean_TS: Floats
    whole_T: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, mean_LS: Floats, training_L: npt.NDArray[np.int64]) -> "_Noises":
        whole = np.isfinite(mean_LS).all(axis=1)
        numbers, count = training_L[whole], int(training_L.max()) + 1
        labels_T = np.bincount(numbers, minlength=count)
        centred_LS = mean_LS[whole] - mean_LS[whole].mean(axis=1, keepdims=True)
        share_L = 1 / labels_T[numbers]
        mean_TS = np.zeros((count, mean_LS.shape[1]))
        np.add.at(mean_TS, numbers, share_L[:, None] * centred_LS)
        square_T = np.asarray(np.bincount(numbers, share_L * (centred_LS**2).sum(axis=1), count), np.float64)
        return cls(square_T=square_T, mean_TS=mean_TS, whole_T=labels_T > 0)

    def pooled(self, chosen_CT: npt.NDArray[Any]) -> tuple[Floats, Floats]:
        """Half of the mean variance over seeds of a difference of two trainings, over all pairs of those that are
        chosen (0 where there is none), and how many trainings these are, each (C,).

        With a label a training it is the residual mean square of the layout of seeds and trainings.
        """
        chosen_CT = chosen_CT * self.whole_T
        count_C = chosen_CT.sum(axis=1).astype(np.float64)
        products_C = ((chosen_CT @ self.mean_TS) ** 2).sum(axis=1) - chosen_CT @ (self.mean_TS**2).sum(axis=1)
        total_C = (count_C - 1) * (chosen_CT @ self.square_T) - products_C
        pairs_C = count_C * (count_C - 1) * (self.mean_TS.shape[1] - 1)
        return np.divide(total_C, pairs_C, out=np.zeros_like(count_C), where=pairs_C > 0), count_C
