"""Intervals against formulas by hand, and what is bold when."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ablate.statistics.differences import against, best, difference, holm, pairing
from ablate.statistics.layout import crossed
from ablate.statistics.samples import Samples


def made(error_LSR: np.ndarray, subjects: list[str] | None = None, together: bool = False) -> Samples:
    labels = tuple("abcdef"[: error_LSR.shape[0]])
    seeds = range(error_LSR.shape[1])
    keys = [[f"{'all' if together else label}-{seed}" for seed in seeds] for label in labels]
    known = np.isfinite(error_LSR).any(axis=2)
    return Samples(
        labels=labels,
        seeds=tuple(seeds),
        error_LSR=error_LSR,
        subject_R=tuple(subjects or [f"S{r}" for r in range(error_LSR.shape[2])]),
        action_R=("walk",) * error_LSR.shape[2],
        weight_R=np.ones(error_LSR.shape[2]),
        training_LS=np.where(known, np.array(keys, np.str_), ""),
    )


def drawn(labels: int = 2, seeds: int = 4, recordings: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(40, 1, (labels, seeds, recordings))


def test_the_layout_is_that_of_two_crossed_factors() -> None:
    value_SU = np.random.default_rng(1).normal(0, 1, (4, 5)) + np.random.default_rng(2).normal(0, 2, 5)
    (mean,), spread = crossed(value_SU[None], np.full(5, 0.2))
    # mean squares of the two-way table without replication
    seeds_S, units_U, whole = value_SU.mean(axis=1), value_SU.mean(axis=0), value_SU.mean()
    ms_seed = 5 * ((seeds_S - whole) ** 2).sum() / 3
    ms_unit = 4 * ((units_U - whole) ** 2).sum() / 4
    ms_rest = ((value_SU - seeds_S[:, None] - units_U + whole) ** 2).sum() / 12
    assert ms_unit > ms_rest
    assert mean == pytest.approx(whole)
    assert spread.error_C[0] == pytest.approx(math.sqrt((ms_seed + ms_unit - ms_rest) / 20))
    assert (spread.seed_freedom_C[0], spread.unit_freedom_C[0]) == pytest.approx((3, 4))
    # Cochran and Cox: either part's quantile, weighted by its variance
    parts = np.array([ms_seed, ms_unit - ms_rest])
    expected = parts @ stats.t.isf(0.025, [3, 4]) / parts.sum()
    assert spread.quantile(0.025)[0] == pytest.approx(expected)
    assert spread.tail(np.array([expected]))[0] == pytest.approx(0.025)


def test_with_one_unit_it_is_the_paired_t_test() -> None:
    values = drawn(recordings=1)
    found = difference(made(values), "a", "b")
    expected = stats.ttest_rel(values[0, :, 0], values[1, :, 0])
    low, high = expected.confidence_interval(0.95)
    assert (found.mean, found.p) == pytest.approx((float((values[0] - values[1]).mean()), expected.pvalue))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.seeds, found.subjects, found.recordings) == (4, 1, 1)


def test_the_difference_has_a_sign_and_a_reference() -> None:
    values = drawn()
    one, other = difference(made(values), "a", "b"), difference(made(values), "b", "a")
    assert one.mean == pytest.approx(-other.mean)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.mean == pytest.approx((values[0] - values[1]).mean())


def test_the_posterior_of_nil_is_that_of_the_interval() -> None:
    found = difference(made(drawn()), "a", "b", margin_mm=0.3)
    alone = made(drawn(recordings=1))
    exact = difference(alone, "a", "b", margin_mm=0.3)
    around = stats.t(3, exact.mean, exact.error)
    assert exact.nil == pytest.approx(around.cdf(0.3) - around.cdf(-0.3))
    both = [float(found.spread.tail(np.array([abs(m - found.mean) / found.error]))[0]) for m in (0.3, -0.3)]
    inside = abs(found.mean) < 0.3
    assert found.nil == pytest.approx(1 - sum(both) if inside else abs(both[0] - both[1]))


def test_what_configurations_share_drops_out() -> None:
    values = drawn()
    shared = np.random.default_rng(5).normal(0, 8, (1, 4, 6))
    one, other = (difference(made(v), "a", "b") for v in (values, values + shared))
    assert (one.mean, one.low, one.high, one.p) == pytest.approx((other.mean, other.low, other.high, other.p))


def test_recordings_are_units_where_there_are_two_subjects_and_the_text_says_so() -> None:
    values = drawn(recordings=8)
    found = difference(made(values, ["S9"] * 4 + ["S11"] * 4), "a", "b")
    alone = difference(made(values), "a", "b")  # eight subjects of a recording each
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))
    assert "8 recordings of these 2 subjects only" in found.method
    assert "8 subjects" in alone.method


def test_subjects_are_units_from_four_on() -> None:
    values = drawn(recordings=8)
    found = difference(made(values, list("wwxxyyzz")), "a", "b")
    merged = values.reshape(2, 4, 4, 2).mean(axis=3)
    assert found.error == pytest.approx(difference(made(merged), "a", "b").error)


def test_seed_variance_is_pooled_over_trainings_of_their_own() -> None:
    values = drawn(labels=4, recordings=1)
    found = difference(made(values), "a", "b")
    centred = values[..., 0] - values[..., 0].mean(axis=1, keepdims=True)
    rest = ((centred - centred.mean(axis=0)) ** 2).sum() / (3 * 3)
    assert found.error == pytest.approx(math.sqrt(2 * rest / 4))
    assert found.half() == pytest.approx(stats.t.isf(0.025, 9) * found.error)
    assert "pooled over the study" in found.method


def test_within_the_same_weights_a_difference_has_its_own_variance() -> None:
    values = drawn(labels=4, recordings=1)
    found = difference(made(values, together=True), "a", "b")
    assert found.half() == pytest.approx(stats.t.isf(0.025, 3) * found.error)
    assert found.p == pytest.approx(stats.ttest_rel(values[0, :, 0], values[1, :, 0]).pvalue)
    assert "within the same weights" in found.method
    assert "pooled" not in found.method


def test_a_pair_that_is_far_noisier_keeps_its_own_variance() -> None:
    values = drawn(labels=6, recordings=1)
    values[5, :, 0] += [8, -8, 8, -8]
    found = against(made(values), "a")
    assert "pooled" not in found["f"].method
    assert found["f"].half() == pytest.approx(stats.t.isf(0.025, 3) * found["f"].error)


def test_only_seeds_and_recordings_that_both_have_count() -> None:
    values = drawn(seeds=5)
    values[1, 4] = np.nan
    values[0, :4, 2] = np.nan
    found = difference(made(values), "a", "b")
    known = np.delete(values[:, :4], 2, axis=2)
    expected = difference(made(known), "a", "b")
    assert (found.seeds, found.recordings) == (4, 5)
    assert (found.mean, found.low, found.high) == pytest.approx((expected.mean, expected.low, expected.high))


def test_unequal_weights_give_the_mean_that_tables_show() -> None:
    values, weight_R = drawn(), np.array([1.0, 2, 3, 4, 5, 6])
    found = difference(replace(made(values), weight_R=weight_R), "a", "b")
    assert found.mean == pytest.approx(np.average((values[0] - values[1]).mean(axis=0), weights=weight_R))


def test_one_seed_has_no_interval() -> None:
    found = difference(made(drawn(seeds=1)), "a", "b")
    assert math.isfinite(found.mean)
    assert not found.known
    assert not found.told
    assert all(math.isnan(value) for value in (found.low, found.high, found.p, found.p_holm, found.nil, found.error))
    assert "one seed" in found.method


# Frames of each recording, and who moves in it: one each, twenty of one length, and one that outweighs the rest.
TWO_SUBJECTS = {
    "a recording each": ([1, 1], "xy"),
    "many": ([100] * 20, "x" * 10 + "y" * 10),
    "one outweighs the other": ([1_000_000, 1], "xy"),
    "three, one outweighs": ([1_000_000, 1, 1], "xxy"),
}


def two_subjects(case: str, seeds: int, labels: int = 4) -> Samples:
    weights, subjects = TWO_SUBJECTS[case]
    values = drawn(labels, seeds, len(weights))
    return replace(made(values, list(subjects)), weight_R=np.array(weights, np.float64))


@pytest.mark.parametrize("case", TWO_SUBJECTS)
@pytest.mark.parametrize("labels", [2, 4])
def test_two_seeds_and_two_subjects_give_wide_and_finite_intervals(case: str, labels: int) -> None:
    """The fewest from which anything is told: one degree of freedom for either, and never less."""
    samples = two_subjects(case, 2, labels)
    for found in against(samples, "a").values():
        freedoms = (float(found.spread.seed_freedom_C[0]), float(found.spread.unit_freedom_C[0]))
        assert min(freedoms) == pytest.approx(max(1, min(freedoms)), rel=1e-3)
        least, most = stats.t.isf(0.025, [len(samples.subject_R) * labels, 1])
        assert least * found.error < found.half() <= most * found.error * 1.001
        assert (found.low + found.high) / 2 == pytest.approx(found.mean)
        assert 0 < found.p <= found.p_holm <= 1
        assert 0 < found.nil < 1
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)
    lowest = min(samples.labels, key=lambda label: float(np.mean(samples.mean_LS[samples.place(label)])))
    assert lowest in best(samples)


@pytest.mark.parametrize("case", TWO_SUBJECTS)
def test_one_seed_and_two_subjects_tell_nothing(case: str) -> None:
    samples = two_subjects(case, 1)
    for found in against(samples, "a").values():
        assert math.isfinite(found.mean)
        assert not found.known
        assert not found.told
        assert math.isnan(found.p_holm)
    assert best(samples) == frozenset()


def test_no_seed_in_common_is_no_difference() -> None:
    values = drawn(seeds=4)
    values[0, :2] = values[1, 2:] = np.nan
    found = difference(made(values), "a", "b")
    assert found.seeds == 0
    assert math.isnan(found.mean)
    assert "no seed in common" in found.method


def test_identical_poses_differ_surely_by_nothing() -> None:
    values = drawn(labels=1).repeat(2, axis=0)
    found = difference(made(values), "a", "b")
    assert (found.mean, found.low, found.high, found.p, found.nil) == (0, 0, 0, 1, 1)
    shifted = difference(made(values + np.array([0.0, 64.0])[:, None, None]), "b", "a")
    assert (shifted.low, shifted.high, shifted.p, shifted.nil) == pytest.approx((64, 64, 0, 0))


def test_p_values_are_corrected_over_the_table() -> None:
    found = against(made(drawn(labels=4)), "a")
    p = sorted(one.p for one in found.values())
    assert sorted(one.p_holm for one in found.values())[0] == pytest.approx(min(1, 3 * p[0]))
    assert list(found) == ["b", "c", "d"]
    assert holm([0.01, math.nan, 0.04])[0] == pytest.approx(0.02)
    assert math.isnan(holm([0.01, math.nan])[1])


def test_a_label_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError, match="nobody"):
        against(made(drawn()), "nobody")


def level(*errors: float, seeds: int = 4, spread: float = 0.1) -> Samples:
    noise = np.random.default_rng(3).normal(0, spread, (len(errors), seeds, 5))
    return made(np.array(errors)[:, None, None] + noise)


def test_what_cannot_be_told_from_the_best_is_bold_too() -> None:
    assert best(level(40.0, 40.02, 43.0, 45.0)) == {"a", "b"}
    assert best(level(40.0, 40.02, 43.0, 45.0), larger=True) == {"d"}


def test_nothing_is_bold_while_a_row_rests_on_one_seed() -> None:
    assert best(level(40.0, 45.0, seeds=1)) == frozenset()
    values = level(40.0, 45.0, 46.0).error_LSR.copy()
    values[2, 1:] = np.nan
    assert best(made(values)) == frozenset()


def test_a_row_without_a_value_neither_wins_nor_forbids_marks() -> None:
    values = level(40.0, 45.0, 46.0).error_LSR.copy()
    values[0] = np.nan
    assert best(made(values)) == {"b"}
    assert best(made(np.full((2, 3, 4), np.nan))) == frozenset()


def test_rows_that_share_no_two_seeds_cannot_be_told_apart() -> None:
    values = level(40.0, 45.0).error_LSR.copy()
    values[0, :2] = values[1, 2:] = np.nan
    assert best(made(values)) == {"a", "b"}


def test_without_any_noise_the_best_stands_alone() -> None:
    assert best(level(40.0, 40.5, 41.0, spread=0.0)) == {"a"}


def test_a_configuration_alone_is_the_best() -> None:
    assert best(level(40.0)) == {"a"}


def test_pairing_says_of_whom_a_table_speaks() -> None:
    samples = made(drawn())
    assert pairing(samples) == "seed and 6 subjects"
    assert "these 2 subjects only" in pairing(made(drawn(), list("xxxyyy")))
    assert "this subject only" in pairing(made(drawn(), ["x"] * 6))
    assert "seed alone" in pairing(samples.overall(samples.mean_LS))
