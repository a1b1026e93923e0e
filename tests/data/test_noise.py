"""The detector's errors: seeded, lasting, larger where detectors err more, rarely gross."""

import numpy as np
import pytest

from ablate import seeds
from ablate.data.arrays import Array
from ablate.data.noise import GROSS_SHARE, LASTING, MEMORY, PIXELS_PER_METRE, SIGMA_PX_J, correlated, detector_noise

FRAMES = 40_000


@pytest.fixture(scope="module")
def pixels_TJ2() -> Array:
    """Noise in pixels of a person who stands 5 m away."""
    return detector_noise(np.full(FRAMES, PIXELS_PER_METRE), 50, seeds.stream(0, "noise", "X/Walking", "ring0"))


def test_seeded_by_its_address() -> None:
    size_T = np.full(50, 0.4)
    first = detector_noise(size_T, 50, seeds.stream(0, "noise", "X/Walking", "ring0"))
    again = detector_noise(size_T, 50, seeds.stream(0, "noise", "X/Walking", "ring0"))
    other = detector_noise(size_T, 50, seeds.stream(0, "noise", "X/Walking", "ring1"))
    np.testing.assert_array_equal(first, again)
    assert not np.isclose(first, other).any()


def test_correlated_in_time_as_stated() -> None:
    white_TX = np.random.default_rng(0).standard_normal((FRAMES, 3))
    noise_TX = correlated(white_TX, 0.8)
    for lag in (1, 4):
        measured = (noise_TX[lag:] * noise_TX[:-lag]).mean()
        assert measured == pytest.approx(0.8**lag, abs=0.05)
    assert noise_TX.var() == pytest.approx(1, abs=0.05)
    slow_X, expected_TX = white_TX[0], [white_TX[0]]
    for white_X in white_TX[1:9]:
        slow_X = 0.8 * slow_X + 0.6 * white_X
        expected_TX.append(slow_X)
    np.testing.assert_allclose(noise_TX[:9], expected_TX, atol=1e-12)


def test_errors_last_but_not_all_of_them(pixels_TJ2: Array) -> None:
    ordinary = np.clip(pixels_TJ2 / SIGMA_PX_J[:, None], -3, 3)
    after_one = (ordinary[1:] * ordinary[:-1]).mean() / (ordinary**2).mean()
    after_long = (ordinary[50:] * ordinary[:-50]).mean() / (ordinary**2).mean()
    assert after_one == pytest.approx(LASTING * np.exp(-1 / (50 * MEMORY)), abs=0.06)
    assert abs(after_long) < 0.05


def test_several_pixels_and_most_at_wrists_and_ankles(pixels_TJ2: Array) -> None:
    median_J = np.median(np.linalg.norm(pixels_TJ2, axis=-1), axis=0)
    ends = [3, 6, 13, 16]
    assert median_J[ends].min() > np.delete(median_J, ends).max()
    assert median_J.min() > 3
    assert median_J.max() < 12


def test_gross_errors_are_rare_and_real(pixels_TJ2: Array) -> None:
    gross_TJ = np.linalg.norm(pixels_TJ2 / SIGMA_PX_J[:, None], axis=-1) > 6
    assert 0.3 * GROSS_SHARE < gross_TJ.mean() < GROSS_SHARE
    lasting = (gross_TJ[1:] & gross_TJ[:-1]).sum() / gross_TJ.sum()
    assert lasting > 0.6, "a gross error should stay for some frames"


def test_errors_shrink_with_the_person() -> None:
    near = detector_noise(np.full(20, 0.4), 50, seeds.stream(1, "noise"))
    far = detector_noise(np.full(20, 0.1), 50, seeds.stream(1, "noise"))
    np.testing.assert_allclose(near, 4 * far)


def test_a_single_frame_has_noise() -> None:
    assert np.isfinite(detector_noise(np.full(1, 0.4), 50, seeds.stream(2, "noise"))).all()
