"""Windows: every frame once in evaluation, other cuts in each epoch of training, batches that are what they index."""

import pickle

import numpy as np
import pytest

from ablate.data.recording import Camera
from ablate.data.windows import Mask, View, Windows, evaluation, joined

CAMERA = Camera(
    name="c", orientation=(1, 0, 0, 0), translation=(0, 0, 0), intrinsic=(2, 2, 0, 0, 0, 0, 0, 0, 0), resolution=(9, 9)
)


def view(number: int, length: int, camera_index: int = 0, valid_T: Mask | None = None) -> View:
    """A view whose every value tells its view and frame: 1000 * number + frame."""
    frame_T = 1000 * number + np.arange(length, dtype=np.float32)
    return View(
        recording=f"X/{number}",
        subject="X",
        action="Walking",
        camera=CAMERA,
        camera_index=camera_index,
        x2d_TJ2=np.broadcast_to(frame_T[:, None, None], (length, 17, 2)),
        x3d_TJ3=np.broadcast_to(frame_T[:, None, None], (length, 17, 3)),
        root_T3=np.broadcast_to(frame_T[:, None], (length, 3)),
        fps=50.0,
        valid_T=valid_T,
    )


def counted_frames(windows: Windows) -> list[float]:
    batch = windows.batch(np.arange(len(windows)))
    return sorted(batch.x2d_BFJ2[batch.counted_BF][:, 0, 0].tolist())


@pytest.mark.parametrize("frames", [1, 2, 3, 9, 27, 64])
def test_every_frame_counts_exactly_once(frames: int) -> None:
    lengths = [1, 2, 3, 8, 9, 10, 17, 26, 27, 28, 53, 54, 55, 63, 64, 65, 200]
    windows = evaluation([view(i, length) for i, length in enumerate(lengths)], frames)
    expected = [1000.0 * i + t for i, length in enumerate(lengths) for t in range(length)]
    assert counted_frames(windows) == expected
    assert len(windows) == sum(-(-length // frames) for length in lengths)
    assert windows.counted_WF.any(axis=1).all(), "a window without a counted frame"


def test_windows_show_consecutive_frames_of_one_view() -> None:
    windows = evaluation([view(1, 50), view(2, 20)], 9)
    for chosen in (windows, windows.training(0, 0)):
        frame_WF = chosen.batch(range(len(chosen))).x2d_BFJ2[:, :, 0, 0]
        assert (np.diff(frame_WF, axis=1) == 1).all()
        np.testing.assert_array_equal(frame_WF[:, 0] // 1000, chosen.view_W + 1)
        np.testing.assert_array_equal(frame_WF[:, 0] % 1000, chosen.start_W)


def test_short_views_are_padded_with_their_edges_at_both_ends() -> None:
    windows = evaluation([view(0, 3)], 8)
    batch = windows.batch([0])
    assert batch.x2d_BFJ2[0, :, 0, 0].tolist() == [0, 0, 0, 1, 2, 2, 2, 2]
    assert batch.counted_BF[0].tolist() == [False, False, True, True, True, False, False, False]
    trained = windows.training(0, 0).batch([0])
    np.testing.assert_array_equal(trained.x2d_BFJ2, batch.x2d_BFJ2)
    np.testing.assert_array_equal(trained.counted_BF, batch.counted_BF)


def test_batches_take_any_order_and_agree_over_their_arrays() -> None:
    windows = evaluation([view(1, 30), view(2, 45)], 9)
    batch = windows.batch([7, 0, 3])
    assert batch.x2d_BFJ2.shape == (3, 9, 17, 2)
    assert batch.x3d_BFJ3.shape == (3, 9, 17, 3)
    assert batch.root_BF3.shape == (3, 9, 3)
    assert all(array.dtype == np.float32 for array in batch[:3])
    np.testing.assert_array_equal(batch.x2d_BFJ2[..., 0], batch.x3d_BFJ3[..., 0])
    np.testing.assert_array_equal(batch.root_BF3[..., 0], batch.x3d_BFJ3[..., 0, 0])
    np.testing.assert_array_equal(batch.x2d_BFJ2[1], windows.batch([0]).x2d_BFJ2[0])


def test_batches_are_copies() -> None:
    windows = evaluation([view(1, 30)], 9)
    windows.batch([0]).x2d_BFJ2[:] = -1
    assert windows.batch([0]).x2d_BFJ2.min() >= 1000


def test_training_is_drawn_by_seed_and_epoch() -> None:
    windows = evaluation([view(i, 300) for i in range(4)], 27)
    first, again = windows.training(5, 3), windows.training(5, 3)
    np.testing.assert_array_equal(first.start_W, again.start_W)
    np.testing.assert_array_equal(first.view_W, again.view_W)
    for other in (windows.training(5, 4), windows.training(6, 3)):
        assert not np.array_equal(np.sort(first.start_W), np.sort(other.start_W)), "the starts must move"
        assert not np.array_equal(first.view_W, other.view_W), "the order must change"


@pytest.mark.parametrize("frames", [1, 9, 27, 81])
def test_training_sees_all_of_every_view(frames: int) -> None:
    lengths = [81, 82, 100, 161, 162, 300]
    windows = evaluation([view(i, length) for i, length in enumerate(lengths)], frames)
    seen: set[float] = set()
    for epoch in range(12):
        drawn = windows.training(0, epoch)
        assert len(drawn) == len(windows)
        assert drawn.start_W.min() >= 0
        assert (drawn.start_W + frames <= np.array(lengths)[drawn.view_W]).all()
        assert drawn.counted_WF.all()
        seen.update(counted_frames(drawn))
    total = sum(lengths)
    assert len(seen) > (0.97 * total if frames > 1 else 0.9 * total)


def test_training_again_starts_from_the_views_not_from_the_last_epoch() -> None:
    windows = evaluation([view(i, 100) for i in range(3)], 9)
    np.testing.assert_array_equal(windows.training(0, 1).training(0, 2).start_W, windows.training(0, 2).start_W)


def test_first_cameras() -> None:
    windows = evaluation([view(i, 40, camera_index=i % 4) for i in range(8)], 9)
    two = windows.first_cameras(2)
    assert set(two.view_W) == {0, 1, 4, 5}
    assert len(two) == len(windows) // 2
    assert counted_frames(two) == [1000.0 * i + t for i in (0, 1, 4, 5) for t in range(40)]


def test_views_share_the_memory_of_the_footage() -> None:
    windows = evaluation([view(0, 10), view(1, 12)], 4)
    assert all(np.shares_memory(one.x2d_TJ2, windows.footage.x2d_NJ2) for one in windows.views)
    assert [len(one) for one in windows.views] == [10, 12]


def test_frames_that_are_not_valid_are_shown_and_not_counted() -> None:
    valid_T = np.arange(25) % 4 != 1
    windows = evaluation([view(0, 25, valid_T=valid_T), view(1, 10)], 9)
    assert counted_frames(windows) == [float(t) for t in range(25) if t % 4 != 1] + [1000.0 + t for t in range(10)]
    assert windows.batch([0]).x2d_BFJ2[0, :, 0, 0].tolist() == list(range(9))
    assert windows.batch([0]).counted_BF[0].tolist() == valid_T[:9].tolist()
    drawn = windows.training(0, 0)
    assert sorted(drawn.counted_WF.sum(axis=1))[-1] == 9
    assert len(drawn) == len(windows)
    for one, valid in zip(windows.views, (valid_T, np.ones(10, bool)), strict=True):
        np.testing.assert_array_equal(one.valid_T, valid)


def test_footage_travels_by_what_makes_it() -> None:
    windows = evaluation([view(0, 10), view(1, 12, valid_T=np.arange(12) < 5)], 4)
    again = pickle.loads(pickle.dumps(windows))
    np.testing.assert_array_equal(again.footage.x2d_NJ2, windows.footage.x2d_NJ2)
    np.testing.assert_array_equal(again.counted_WF, windows.counted_WF)
    assert np.shares_memory(again.views[1].x2d_TJ2, again.footage.x2d_NJ2)
    assert len(pickle.dumps(windows.footage)) < 1.5 * sum(
        array.nbytes for array in (windows.footage.x2d_NJ2, windows.footage.x3d_NJ3, windows.footage.root_N3)
    ), "no array goes twice"


def test_footage_of_nothing() -> None:
    windows = evaluation([], 9)
    assert len(windows) == len(windows.training(0, 0)) == len(joined([]).views) == 0
    assert windows.footage.x2d_NJ2.shape == (0, 17, 2)
