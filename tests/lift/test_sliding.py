"""A video of any length through a lifter's windows: no seams, and the same whatever the batch.

Legend: T frames, F frames of a window, J joints.
"""

import numpy as np
import pytest
import torch

import models
from ablate.data.windows import Index
from ablate.errors import NotFinite
from ablate.lift import sliding
from ablate.lift.sliding import Sampling, blend, draws, lift, starts
from models.contract import Lifter
from tests.lift.filmed import Array, film, swaying

CPU = torch.device("cpu")
FRAMES = 27


def made(model: str, frames: int = FRAMES) -> Lifter:
    return models.build(model, size="tiny", frames=frames, init="warm", seed=0)


@pytest.fixture(scope="module")
def x2d_TJ2() -> Array:
    """Normalised joints of somebody for 200 frames."""
    shot = film(swaying(200), np.random.default_rng(0), noise=0)
    seen = shot.truth_TJ3[..., :2] / shot.truth_TJ3[..., 2:] * shot.focal * 2 / shot.size[0]
    return seen.astype(np.float32)


@pytest.mark.parametrize("length", [1, 2, 13, 26, 27, 28, 40, 41, 54, 200])
@pytest.mark.parametrize("frames", [1, 2, 9, 27])
def test_windows_cover_every_frame_and_overlap_by_half(length: int, frames: int) -> None:
    start_W = starts(length, frames)
    covered = np.zeros(length, int)
    for start in start_W:
        covered[max(0, start) : start + frames] += 1
    assert covered.min() >= 1
    assert start_W[-1] + frames >= length
    if length > frames:
        assert start_W[0] == 0
        assert start_W[-1] + frames == length
        assert np.diff(start_W).max() <= max(1, frames // 2)
        assert np.diff(start_W).min() >= 1
    else:
        assert len(start_W) == 1


def test_weights_are_smooth_and_all_but_nothing_at_a_windows_ends() -> None:
    weight_F = blend(81)
    assert weight_F[0] < 1e-3 > weight_F[-1]
    assert weight_F.min() > 0
    np.testing.assert_allclose(weight_F, weight_F[::-1])
    assert np.abs(np.diff(weight_F)).max() < 0.05


def jumps(pose_TJ3: Array, edge_W: Index) -> tuple[float, float]:
    """How much the velocity changes from frame to frame, at these frames and their neighbours, and elsewhere."""
    change_T = np.linalg.norm(np.diff(pose_TJ3, n=2, axis=0), axis=-1).mean(axis=-1)
    near = np.zeros(len(change_T), np.bool_)
    for shift in (-2, -1, 0):
        near[np.clip(edge_W + shift, 0, len(change_T) - 1)] = True
    return float(change_T[near].mean()), float(change_T[~near].mean())


def test_no_jump_shows_where_windows_begin_and_end(x2d_TJ2: Array) -> None:
    lifter = made("mixste")
    drift_FC = torch.linspace(-0.3, 0.3, FRAMES)[:, None] * torch.randn(32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():  # what a window says of a frame shifts with the frame's place in it
        lifter.denoiser.frame_embedding.copy_(drift_FC)
    blended = lift(lifter, FRAMES, x2d_TJ2, Sampling(), CPU).pose_TJ3
    start_W = starts(len(x2d_TJ2), FRAMES)[1:-1]
    at, elsewhere = jumps(blended, np.concatenate([start_W, start_W + FRAMES]))
    assert at < 2 * elsewhere
    whole = len(x2d_TJ2) // FRAMES
    with torch.inference_mode():
        windows = torch.from_numpy(x2d_TJ2[: whole * FRAMES].reshape(whole, FRAMES, 17, 2))
        end_to_end = lifter.lift(windows)[:, -1, 0].reshape(-1, 17, 3).numpy()
    bare_at, bare_elsewhere = jumps(end_to_end, np.arange(1, whole) * FRAMES)
    assert bare_at > 50 * bare_elsewhere  # what blending is for
    assert at < bare_at / 20


def test_in_the_middle_of_a_window_the_pose_is_that_windows(x2d_TJ2: Array) -> None:
    lifter = made("mixste")
    short = x2d_TJ2[:FRAMES]
    with torch.inference_mode():
        alone = lifter.lift(torch.from_numpy(short)[None])[0, -1, 0].numpy()
    found = lift(lifter, FRAMES, short, Sampling(), CPU)
    np.testing.assert_allclose(found.pose_TJ3[:, 1:], alone[:, 1:], atol=1e-5)
    assert not found.pose_TJ3[:, 0].any()
    assert np.isnan(found.spread_TJ).all()


@pytest.mark.parametrize("length", [1, 5, 26])
def test_a_video_shorter_than_a_window_is_lifted(x2d_TJ2: Array, length: int) -> None:
    found = lift(made("d3dp"), FRAMES, x2d_TJ2[:length], Sampling(), CPU)
    assert found.pose_TJ3.shape == (length, 17, 3)
    assert np.isfinite(found.pose_TJ3).all()


def test_neither_the_batch_nor_the_run_changes_anything(x2d_TJ2: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    lifter, how = made("d3dp"), Sampling(hypotheses=2, steps=2, seed=3)
    once = lift(lifter, FRAMES, x2d_TJ2, how, CPU)
    again = lift(lifter, FRAMES, x2d_TJ2, how, CPU)
    np.testing.assert_array_equal(once.pose_TJ3, again.pose_TJ3)
    np.testing.assert_array_equal(once.spread_TJ, again.spread_TJ)
    monkeypatch.setattr(sliding, "FRAMES_AT_ONCE", 3 * FRAMES)
    apart = lift(lifter, FRAMES, x2d_TJ2, how, CPU)
    np.testing.assert_allclose(apart.pose_TJ3, once.pose_TJ3, atol=1e-5)
    other = lift(lifter, FRAMES, x2d_TJ2, Sampling(hypotheses=2, steps=2, seed=4), CPU)
    assert np.abs(other.pose_TJ3 - once.pose_TJ3).max() > 1e-3


def test_noise_belongs_to_the_frames_of_the_video() -> None:
    how = Sampling(hypotheses=3, steps=2, seed=1)
    together = draws(np.array([-4, 0, 13, 27, 173]), FRAMES, how, 3)
    for place, start in enumerate((-4, 0, 13, 27, 173)):
        np.testing.assert_array_equal(together[:, place], draws(np.array([start]), FRAMES, how, 3)[:, 0])
    np.testing.assert_array_equal(together[:, 1, :, 13:], together[:, 2, :, :-13])
    few = draws(np.array([13]), FRAMES, Sampling(hypotheses=2, steps=2, seed=1), 3)
    np.testing.assert_array_equal(few[:, 0], together[:, 2, :2])
    assert together.std() == pytest.approx(1, abs=0.03)
    assert abs(np.corrcoef(together[0, 1].ravel(), together[1, 1].ravel())[0, 1]) < 0.05


def test_spread_is_the_hypotheses_standard_deviation(x2d_TJ2: Array) -> None:
    lifter, how = made("d3dp"), Sampling(hypotheses=4, steps=1, flip=False)
    short = x2d_TJ2[:FRAMES]
    noise = torch.from_numpy(draws(np.array([0]), FRAMES, how, 3))
    each = lifter.lift(torch.from_numpy(short)[None], hypotheses=4, steps=1, flip=False, noise=noise)[0, -1].numpy()
    found = lift(lifter, FRAMES, short, how, CPU)
    variance = ((each - each.mean(axis=0)) ** 2).sum(axis=-1).sum(axis=0) / 3
    np.testing.assert_allclose(found.spread_TJ, np.sqrt(variance), rtol=1e-3)
    assert found.spread_TJ.min() > 0


def test_poses_that_are_not_finite_are_refused(x2d_TJ2: Array) -> None:
    lifter = made("mixste")
    with torch.no_grad():
        next(lifter.parameters()).fill_(float("nan"))
    with pytest.raises(NotFinite, match="weights are damaged"):
        lift(lifter, FRAMES, x2d_TJ2, Sampling(), CPU)


def test_advance_hears_of_every_window(x2d_TJ2: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sliding, "FRAMES_AT_ONCE", 4 * FRAMES)
    heard: list[int] = []
    lift(made("mixste"), FRAMES, x2d_TJ2, Sampling(), CPU, heard.append)
    assert sum(heard) == len(starts(len(x2d_TJ2), FRAMES))
    assert max(heard) <= 4
