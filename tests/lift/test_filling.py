"""Keypoints as Human3.6M's joints, what was not seen filled in time, and resampling."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from ablate.data.keypoints import COCO
from ablate.data.skeleton import MIRROR, NAMES
from ablate.errors import DataError
from ablate.lift.filling import grid, sampled, track
from ablate.lift.people import Person
from tests.lift.filmed import Array, film, walking


def person(xy_TK2: Array, score_TK: Array | None = None) -> Person:
    scores = np.ones(xy_TK2.shape[:2]) if score_TK is None else score_TK
    return Person(label="1", first=3, xy_TK2=xy_TK2.astype(np.float32), score_TK=scores.astype(np.float32))


@pytest.fixture(scope="module")
def shot() -> tuple[Array, Array]:
    """COCO's keypoints and Human3.6M's joints in the picture, without noise."""
    one = film(walking(0.6), np.random.default_rng(0), noise=0)
    return one.xy_TK2, one.truth_TJ3[..., :2] / one.truth_TJ3[..., 2:] * one.focal + np.array(one.size) / 2


def test_joints_lie_where_the_body_has_them(shot: tuple[Array, Array]) -> None:
    keypoints, joints = shot
    found = track(person(keypoints), "coco17", 0.3)
    height = joints[..., 1].max() - joints[..., 1].min()
    off_J = np.linalg.norm(found.x2d_TJ2 - joints, axis=-1).mean(axis=0) / height * 1.65  # metres, about
    limbs = [NAMES.index(name) for name in COCO[5:]]
    assert off_J[limbs].max() < 1e-4
    assert off_J.max() < 0.08
    assert not found.filled_TJ.any()
    assert (found.filled, found.gap, found.lost, found.first, found.by_joint) == (0, 0, 0, 3, {})


def test_human36ms_joints_are_taken_as_they_are(shot: tuple[Array, Array]) -> None:
    _, joints = shot
    np.testing.assert_allclose(track(person(joints), "h36m17", 0.3).x2d_TJ2, joints, rtol=1e-6)


def test_a_mirrored_person_has_mirrored_joints(shot: tuple[Array, Array]) -> None:
    keypoints, _ = shot
    others = {"left": "right", "right": "left"}
    swap = [COCO.index("_".join(others.get(part, part) for part in name.split("_"))) for name in COCO]
    mirrored = keypoints[:, swap] * np.array([-1, 1])
    ours = track(person(keypoints), "coco17", 0.3).x2d_TJ2[:, list(MIRROR)] * np.array([-1, 1])
    np.testing.assert_allclose(track(person(mirrored), "coco17", 0.3).x2d_TJ2, ours, atol=1e-3)


def test_gaps_are_linear_inside_and_held_at_the_ends() -> None:
    line = np.arange(10.0)[:, None, None] + np.arange(17.0)[:, None] + np.zeros((10, 17, 2))
    score = np.ones((10, 17))
    wrist, truth = COCO.index("left_wrist"), line.copy()
    score[:2, wrist] = score[4:7, wrist] = score[9:, wrist] = 0
    line[score == 0] = 1e5  # never looked at
    found = track(person(line, score), "coco17", 0.3)
    joint = NAMES.index("left_wrist")
    expected = truth[:, wrist, 0].copy()
    expected[:2], expected[9:] = expected[2], expected[8]
    np.testing.assert_allclose(found.x2d_TJ2[:, joint, 0], expected)
    assert np.flatnonzero(found.filled_TJ[:, joint]).tolist() == [0, 1, 4, 5, 6, 9]
    assert found.filled_TJ.sum() == 6
    assert found.by_joint == {"left_wrist": 0.6}
    assert (found.gap, found.lost) == (3, 0)


def test_a_joint_is_filled_where_any_part_of_it_is(shot: tuple[Array, Array]) -> None:
    keypoints, _ = shot
    score = np.ones(keypoints.shape[:2])
    score[5, COCO.index("left_hip")] = 0
    filled = track(person(keypoints, score), "coco17", 0.3).filled_TJ
    assert {NAMES[joint] for joint in np.flatnonzero(filled[5])} == {"left_hip", "hip", "spine"}


def test_scores_count_by_the_persons_own_median(shot: tuple[Array, Array]) -> None:
    keypoints, _ = shot
    score = np.full(keypoints.shape[:2], 4.0)  # some programs' reach 6, others' stay below 0.2
    score[7, COCO.index("left_knee")] = 1.0
    for unit in (1.0, 0.01):
        for share, filled in ((0.3, 1), (0.2, 0)):
            assert track(person(keypoints, score * unit), "coco17", share).filled_TJ.sum() == filled


def test_a_turned_face_needs_no_filling(shot: tuple[Array, Array]) -> None:
    keypoints, _ = shot
    for unseen in (["left_ear"], ["left_ear", "right_ear"], ["nose", "left_eye", "right_eye"]):
        score = np.ones(keypoints.shape[:2])
        score[10:20, [COCO.index(name) for name in unseen]] = 0
        assert not track(person(keypoints, score), "coco17", 0.3).filled_TJ.any()


def test_lost_frames_are_counted(shot: tuple[Array, Array]) -> None:
    keypoints, _ = shot
    score = np.ones(keypoints.shape[:2])
    score[10:14] = 0
    found = track(person(keypoints, score), "coco17", 0.3)
    assert (found.lost, found.gap) == (4, 4)
    assert found.filled == pytest.approx(4 / 30)
    step = np.diff(found.x2d_TJ2[9:15], axis=0)
    np.testing.assert_allclose(step, np.broadcast_to(step[:1], step.shape), atol=1e-3)


def never(score: Array) -> None:
    score[:, COCO.index("left_ankle")] = 0


def hardly(score: Array) -> None:
    score[2:] = 0


@pytest.mark.parametrize(
    ("spoil", "message"), [(never, "left_ankle: never seen"), (hardly, "almost nothing is seen: 93 %")]
)
def test_what_cannot_be_lifted_is_refused(
    shot: tuple[Array, Array], spoil: Callable[[Array], None], message: str
) -> None:
    keypoints, _ = shot
    score = np.ones(keypoints.shape[:2])
    spoil(score)
    with pytest.raises(DataError, match=re.escape(message)):
        track(person(keypoints, score), "coco17", 0.3)


def test_guesses_are_taken_where_they_are_asked_for(shot: tuple[Array, Array]) -> None:
    keypoints, _ = shot
    score = np.ones(keypoints.shape[:2])
    score[:, COCO.index("left_ankle")] = 0.01
    assert not track(person(keypoints, score), "coco17", 0).filled_TJ.any()


@pytest.mark.parametrize("fps", [12.5, 23.976, 25.0, 29.97, 50.0, 59.94, 120.0])
def test_to_the_lifters_rate_and_back_is_where_it_was(fps: float) -> None:
    line = np.linspace(0, 1, 77, dtype=np.float64)[:, None] * np.array([[1.0, -2.0]])
    there = sampled(line, grid(77, fps, 50.0))
    assert len(there) == pytest.approx(76 / fps * 50 + 1, abs=1)
    back_T = np.minimum(np.arange(77) * (50.0 / fps), len(there) - 1)
    inside = 76 - int(np.ceil(fps / 50))  # the last sample may lie beyond the last frame, whose value it then holds
    np.testing.assert_allclose(sampled(there, back_T)[:inside], line[:inside], atol=1e-7)
    np.testing.assert_allclose(sampled(there, back_T), line, atol=2 * fps / 50 / 76)


def test_the_lifters_own_rate_changes_nothing() -> None:
    noise = np.random.default_rng(0).normal(size=(31, 17, 2)).astype(np.float32)
    np.testing.assert_array_equal(sampled(noise, grid(31, 50.0, 50.0)), noise)
    assert len(grid(1, 30.0, 50.0)) == 1
