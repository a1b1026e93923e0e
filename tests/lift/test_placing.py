"""The root before the camera: where it was filmed, how the focal length counts, and what smoothing does."""

import numpy as np
import pytest

from ablate.data.camera import normalise_screen
from ablate.errors import DataError
from ablate.lift.placing import assumed_focal, placed
from tests.lift.filmed import Array, film, swaying

WIDE, HIGH = (1920, 1080), (1080, 1920)


def shot(size: tuple[int, int] = WIDE, focal: float = 1900.0) -> tuple[Array, Array]:
    """Somebody's joints in camera axes and in the picture."""
    truth = film(swaying(60), np.random.default_rng(0), size=size, focal=focal).truth_TJ3
    return truth, truth[..., :2] / truth[..., 2:] * focal + np.array(size) / 2


@pytest.mark.parametrize("size", [WIDE, HIGH])
def test_a_true_pose_is_placed_where_it_was(size: tuple[int, int]) -> None:
    truth, pixels = shot(size)
    nothing = np.zeros(truth.shape[:2], np.bool_)
    pose = (truth - truth[:, :1]).astype(np.float32)
    root = placed(pose, normalise_screen(pixels, size), nothing, focal=1900.0, size=size, fps=50.0)
    assert np.linalg.norm(root - truth[:, 0], axis=-1).max() < 0.02  # the smoothing's
    assert root.dtype == np.float32


def test_distance_scales_with_the_focal_length() -> None:
    truth, pixels = shot()
    nothing = np.zeros(truth.shape[:2], np.bool_)
    pose, seen = truth - truth[:, :1], normalise_screen(pixels, WIDE)
    near, far = (
        placed(pose, seen, nothing, focal=focal, size=WIDE, fps=50.0)[:, 2].mean() for focal in (950.0, 1900.0)
    )
    assert near == pytest.approx(far / 2, rel=0.05)


def test_filled_joints_count_little() -> None:
    truth, pixels = shot()
    pose, wrong = truth - truth[:, :1], pixels.copy()
    wrong[:, 13] += 400
    filled = np.zeros(truth.shape[:2], np.bool_)
    off = []
    for _ in range(2):
        root = placed(pose, normalise_screen(wrong, WIDE), filled, focal=1900.0, size=WIDE, fps=50.0)
        off.append(np.linalg.norm(root - truth[:, 0], axis=-1).mean())
        filled[:, 13] = True
    assert off[1] < 0.25 * off[0]


def test_a_detectors_jitter_is_smoothed() -> None:
    truth, pixels = shot()
    noisy = pixels + np.random.default_rng(1).normal(0, 3, pixels.shape)
    nothing = np.zeros(truth.shape[:2], np.bool_)
    root = placed(truth - truth[:, :1], normalise_screen(noisy, WIDE), nothing, focal=1900.0, size=WIDE, fps=50.0)
    speed = np.linalg.norm(np.diff(root - truth[:, 0], axis=0), axis=-1) * 50
    assert speed.mean() < 0.15  # metres a second; without smoothing it is several times as much


def test_frames_without_a_place_get_one_between_the_others() -> None:
    truth, pixels = shot()
    pixels[20:25] = 500.0
    pose, nothing = truth - truth[:, :1], np.zeros(truth.shape[:2], np.bool_)
    root = placed(pose, normalise_screen(pixels, WIDE), nothing, focal=1900.0, size=WIDE, fps=50.0)
    assert np.linalg.norm(root - truth[:, 0], axis=-1).max() < 0.1
    pixels[:] = 500.0
    with pytest.raises(DataError, match="at one point"):
        placed(pose, normalise_screen(pixels, WIDE), nothing, focal=1900.0, size=WIDE, fps=50.0)


def test_the_assumed_camera_is_human36ms() -> None:
    assert assumed_focal((1000, 1000)) == 1145.0
    assert assumed_focal((1920, 1080)) == assumed_focal((1080, 1920)) == pytest.approx(2198.4)
