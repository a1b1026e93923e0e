"""What components do by themselves and in pairs, with intervals: the contrasts of a factorial study."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ablate.statistics.differences import ALPHA, MARGIN_MM, holm, judged
from ablate.statistics.layout import estimate
from ablate.statistics.samples import Floats, Samples


@dataclass(frozen=True, kw_only=True)
class Effect:
    """``factors`` names one component (a main effect) or two (their interaction). ``mean`` is in the samples' unit,
    ``low`` and ``high`` bound it with 95 % confidence, ``p_holm`` is Holm's over the effects of the study, ``nil`` the
    probability of being smaller than the margin; NaN with one seed."""

    factors: tuple[str, ...]
    mean: float
    low: float
    high: float
    p: float
    p_holm: float
    nil: float
    seeds: int

    @property
    def told(self) -> bool:
        """Whether the effect survives Holm's correction at 5 %."""
        return self.p_holm < ALPHA


def signs(factors: Sequence[str], inside: Mapping[str, Mapping[str, bool]]) -> dict[tuple[str, ...], dict[str, int]]:
    """For each main effect and each interaction of two, the sign of each label: +1 where the component is in, or both
    or neither are. ``inside`` says of each label which factors are in (Yates 1937)."""
    single = {factor: {label: 1 if values[factor] else -1 for label, values in inside.items()} for factor in factors}
    main: dict[tuple[str, ...], dict[str, int]] = {(factor,): column for factor, column in single.items()}
    pairs: dict[tuple[str, ...], dict[str, int]] = {
        (a, b): {label: single[a][label] * single[b][label] for label in inside}
        for a, b in itertools.combinations(factors, 2)
    }
    return main | pairs


def effects(
    samples: Samples,
    factors: Sequence[str],
    inside: Mapping[str, Mapping[str, bool]],
    margin_mm: float = MARGIN_MM,
) -> list[Effect]:
    """Main effects and two-way interactions of a 2^n design whose labels ``inside`` lists.

    A main effect is the mean of all configurations with the component less the mean of all without; an interaction half
    of what the one's effect changes by when the other is put in. Both are contrasts for each seed and recording, judged
    as differences are (layout.py). Raises KeyError for a label that the samples lack.
    """
    terms = signs(factors, inside)
    coefficient_CL: Floats = np.zeros((len(terms), len(samples.labels)))
    for row, column in enumerate(terms.values()):
        for label, sign in column.items():
            coefficient_CL[row, samples.place(label)] = 2 * sign / len(inside)
    found = estimate(samples, coefficient_CL)
    low_C, high_C, p_C, nil_C = judged(found, margin_mm)
    corrected = holm(list(p_C))
    return [
        Effect(
            factors=names,
            mean=float(found.mean_C[row]),
            low=float(low_C[row]),
            high=float(high_C[row]),
            p=float(p_C[row]),
            p_holm=corrected[row],
            nil=float(nil_C[row]),
            seeds=int(found.seeds_C[row]),
        )
        for row, names in enumerate(terms)
    ]
