"""Effects of components against a design whose effects are known, and their intervals against a t test by hand."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ablate.statistics.contrasts import effects
from ablate.statistics.samples import Samples

FACTORS = ("x", "y", "z")
CELLS = {"".join(str(int(v)) for v in inside): dict(zip(FACTORS, inside, strict=True))
         for inside in itertools.product((False, True), repeat=3)}  # fmt: skip


def design(noise: float = 0.0, seeds: int = 3, recordings: int = 1, together: bool = True) -> Samples:
    rng = np.random.default_rng(0)
    error_LSR = np.empty((len(CELLS), seeds, recordings))
    for row, inside in enumerate(CELLS.values()):
        level = 40 + 1.0 * inside["x"] - 0.5 * inside["y"] + 2.0 * (inside["x"] and inside["z"])
        error_LSR[row] = level + rng.normal(0, noise, (seeds, recordings))
    keys = [[f"{'' if together else label} {seed}" for seed in range(seeds)] for label in CELLS]
    return Samples(
        labels=tuple(CELLS),
        seeds=tuple(range(seeds)),
        error_LSR=error_LSR,
        subject_R=tuple(f"S{r}" for r in range(recordings)),
        action_R=("walk",) * recordings,
        weight_R=np.ones(recordings),
        training_LS=np.array(keys),
    )


def test_effects_are_those_that_the_errors_were_made_of() -> None:
    found = {effect.factors: effect.mean for effect in effects(design(), FACTORS, CELLS)}
    expected = {("x",): 2.0, ("y",): -0.5, ("z",): 1.0, ("x", "y"): 0.0, ("x", "z"): 1.0, ("y", "z"): 0.0}
    assert found == pytest.approx(expected)
    assert list(found) == list(expected)


def test_an_effect_is_judged_by_its_own_seeds_within_the_same_weights() -> None:
    samples = design(0.3)
    found = effects(samples, FACTORS, CELLS)
    value_LS = samples.error_LSR[..., 0]
    with_x = np.array([inside["x"] for inside in CELLS.values()])
    expected = stats.ttest_1samp(value_LS[with_x].mean(axis=0) - value_LS[~with_x].mean(axis=0), 0)
    low, high = expected.confidence_interval(0.95)
    assert (found[0].low, found[0].high, found[0].p) == pytest.approx((low, high, expected.pvalue))
    assert all(effect.p_holm >= effect.p for effect in found)


def test_trainings_of_their_own_lend_each_other_degrees_of_freedom() -> None:
    together, alone = (effects(design(0.3, together=kind), FACTORS, CELLS) for kind in (True, False))
    assert [a.mean for a in alone] == pytest.approx([t.mean for t in together])
    # the residual mean square of 3 seeds by 8 trainings; the squares of a contrast's coefficients add up to 8 / 4^2
    value_LS = design(0.3, together=False).error_LSR[..., 0]
    rest_LS = value_LS - value_LS.mean(axis=1, keepdims=True) - value_LS.mean(axis=0) + value_LS.mean()
    half = stats.t.isf(0.025, 14) * math.sqrt((rest_LS**2).sum() / 14 * 0.5 / 3)
    assert [effect.high - effect.mean for effect in alone] == pytest.approx([half] * len(alone))


def test_one_seed_has_no_interval() -> None:
    found = effects(design(0.3, seeds=1), FACTORS, CELLS)
    assert all(np.isnan([effect.low, effect.p_holm]).all() and not effect.told for effect in found)


def test_intervals_hold_the_truth() -> None:
    """Over many designs, effects of nil are left outside by one interval in twenty."""
    rng = np.random.default_rng(7)
    held = []
    for _ in range(150):
        samples = design(0.0, recordings=5)
        noise = rng.normal(0, 0.3, (8, 3, 1)) + rng.normal(0, 0.1, (8, 1, 5))
        samples = replace(samples, error_LSR=40 + noise)
        held += [effect.low <= 0 <= effect.high for effect in effects(samples, FACTORS, CELLS)]
    assert 0.92 <= np.mean(held) <= 0.98
