"""Fronts over seeds: where they lie, how large they are, which beats which."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ablate.statistics.fronts import attainment, beatings, hypervolume, nondominated, volume
from ablate.statistics.samples import Samples
from tests.statistics.test_differences import made

COST = {"a": 1.0, "b": 2.0, "c": 3.0}


def reached(points_P2: np.ndarray, place: tuple[float, float]) -> bool:
    return bool(((points_P2[:, 0] <= place[0]) & (points_P2[:, 1] <= place[1])).any())


@pytest.mark.parametrize("seed", range(5))
def test_attainment_equals_counting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost_LS, error_LS = rng.integers(1, 9, (6, 5)).astype(float), rng.integers(1, 9, (6, 5)).astype(float)
    error_LS[0, 0] = np.nan
    found = attainment(cost_LS, error_LS, (0, 50, 100))
    fronts = [
        np.column_stack([cost_LS[:, s], error_LS[:, s]])[np.isfinite(error_LS[:, s])] for s in range(error_LS.shape[1])
    ]
    needed = {0: 1, 50: 3, 100: 5}
    for percent, count in needed.items():
        for place in np.ndindex(10, 10):
            times = sum(reached(points, (place[0], place[1])) for points in fronts)
            assert reached(found[percent], (place[0], place[1])) == (times >= count)
        stair = found[percent]
        assert (np.diff(stair[:, 0]) > 0).all()
        assert (np.diff(stair[:, 1]) < 0).all()


def test_attainment_of_nothing_is_nothing() -> None:
    assert attainment(np.full((2, 2), np.nan), np.full((2, 2), np.nan)) == {}


def errors(level: float = 40.0, seeds: int = 4, spread: float = 0.1) -> Samples:
    rng = np.random.default_rng(1)
    base_L = level - np.arange(6)
    return made(base_L[:, None, None] + rng.normal(0, spread, (6, seeds, 5)))


def test_the_volume_is_the_mean_of_each_seeds_own_front() -> None:
    samples = errors()
    found = volume(samples, COST, (4.0, 50.0))
    assert found is not None
    single = [
        hypervolume(np.column_stack([list(COST.values()), samples.mean_LS[:3, seed]]), (4.0, 50.0)) for seed in range(4)
    ]
    low, high = stats.ttest_1samp(single, 0).confidence_interval(0.95)
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(single), low, high))
    alone = volume(errors(seeds=1), COST, (4.0, 50.0))
    assert alone is not None
    assert math.isnan(alone.low)


def test_a_front_that_is_lower_everywhere_beats_the_other() -> None:
    groups = {"one": COST, "two": {"d": 1.0, "e": 2.0, "f": 3.0}}
    (found,) = beatings(errors(), groups, (4.0, 50.0))
    assert (found.first, found.second) == ("one", "two")
    assert found.mean < found.high < 0
    assert found.probability < 0.01
    (turned,) = beatings(errors(), {"two": groups["two"], "one": COST}, (4.0, 50.0))
    assert turned.probability == pytest.approx(1 - found.probability)
    assert turned.low == pytest.approx(-found.high)


def test_fronts_of_the_same_errors_are_even() -> None:
    rng = np.random.default_rng(2)
    values = np.tile((40.0 - np.arange(3))[:, None, None], (2, 4, 5)) + rng.normal(0, 0.2, (6, 4, 5))
    (found,) = beatings(made(values), {"one": COST, "two": {"d": 1.0, "e": 2.0, "f": 3.0}}, (4.0, 50.0))
    assert found.low < 0 < found.high
    assert 0.01 < found.probability < 0.99


def test_units_count_as_in_a_difference_where_a_front_is_one_point() -> None:
    """A single point's hypervolume is linear in its error, so that pseudo-values are the errors themselves."""
    from ablate.statistics.differences import difference

    values = np.random.default_rng(4).normal(40, 1, (2, 4, 6))
    samples = made(values)
    (found,) = beatings(samples, {"one": {"a": 1.0}, "two": {"b": 1.0}}, (2.0, 50.0))
    plain = difference(samples, "b", "a")
    assert (found.mean, found.low, found.high) == pytest.approx((plain.mean, plain.low, plain.high))


def test_only_seeds_that_every_point_has_count() -> None:
    samples = errors(seeds=5)
    values = samples.error_LSR.copy()
    values[1, 4] = np.nan
    found = volume(replace(samples, error_LSR=values), COST, (4.0, 50.0))
    assert found is not None
    assert found.seeds == 4
    values[2, :4] = np.nan
    assert volume(replace(samples, error_LSR=values), COST, (4.0, 50.0)) is None
    assert beatings(replace(samples, error_LSR=values), {"one": COST, "two": {"d": 1.0}}, (4.0, 50.0)) == []


def test_membership_keeps_twins() -> None:
    assert nondominated(np.array([[1.0, 1.0], [1.0, 1.0], [2.0, 2.0]])).tolist() == [True, True, False]
