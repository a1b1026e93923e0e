"""Input as a COCO detector gives it: keypoints where a face and a body have them, and joints made of them."""

import numpy as np
import pytest

from ablate.data.camera import project
from ablate.data.coco import BESIDE, keypoints, seen
from ablate.data.config import DataConfig
from ablate.data.film import film
from ablate.data.keypoints import COCO
from ablate.data.recording import Recording
from ablate.data.rigs import ring
from ablate.data.skeleton import NAMES
from ablate.errors import DataError
from tests.motion import recording


def at(name: str) -> int:
    return COCO.index(name)


@pytest.fixture
def someone() -> Recording:
    return recording("Swaying 1", "Swaying", 200)


def test_the_face_sits_on_the_head_and_looks_ahead(someone: Recording) -> None:
    joints_TJ3 = someone.world_TJ3.astype(np.float64)
    found_TK3 = keypoints(joints_TJ3, np.random.default_rng(0))
    head_T3 = joints_TJ3[:, NAMES.index("head")]
    assert (np.linalg.norm(found_TK3[:, : at("left_shoulder")] - head_T3[:, None], axis=-1) < 0.2).all()
    ears_T3 = found_TK3[:, at("left_ear")] - found_TK3[:, at("right_ear")]
    shoulders_T3 = joints_TJ3[:, NAMES.index("left_shoulder")] - joints_TJ3[:, NAMES.index("right_shoulder")]
    assert ((ears_T3 * shoulders_T3).sum(-1) > 0).all(), "the left ear must be on the left"
    assert np.linalg.norm(ears_T3, axis=-1) == pytest.approx(np.linalg.norm(ears_T3[0]))
    middle_T3 = (found_TK3[:, at("left_ear")] + found_TK3[:, at("right_ear")]) / 2
    up_T3 = head_T3 - joints_TJ3[:, NAMES.index("neck_nose")]
    ahead_T3 = np.cross(shoulders_T3, up_T3)
    assert (((found_TK3[:, at("nose")] - middle_T3) * ahead_T3).sum(-1) > 0).all(), "the nose must be ahead"
    np.testing.assert_array_equal(found_TK3[:, at("left_wrist")], joints_TJ3[:, NAMES.index("left_wrist")])


def test_joints_come_out_near_where_they_are(someone: Recording) -> None:
    config = DataConfig(input="gt", cameras=2)
    for true, coco in zip(film(someone, config), film(someone, DataConfig(input="coco", cameras=2)), strict=True):
        metre_T = coco.camera.intrinsic[0] / coco.root_T3[:, 2]
        off_TJ = np.linalg.norm(true.x2d_TJ2 - coco.x2d_TJ2, axis=-1) / metre_T[:, None]
        assert 0.005 < np.median(off_TJ) < 0.05
        steady_J = np.linalg.norm((true.x2d_TJ2 - coco.x2d_TJ2).mean(axis=0), axis=-1) / metre_T.mean()
        assert steady_J[NAMES.index("left_knee")] < 4 * BESIDE
        np.testing.assert_array_equal(true.x3d_TJ3, coco.x3d_TJ3)


def test_the_same_recording_and_camera_are_seen_alike(someone: Recording) -> None:
    (camera,) = ring(someone.world_TJ3, 1, np.random.default_rng(0))
    points_TJ3 = np.array([0, 0, 4.0]) + someone.world_TJ3[..., [0, 2, 1]] * [1, -1, 1]
    first, again, other = (seen(points_TJ3, camera, 50.0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
    assert np.abs(first - project(points_TJ3, camera)).max() < 0.5


def test_2d_of_ones_own_is_not_put_aside(someone: Recording) -> None:
    (camera,) = ring(someone.world_TJ3, 1, np.random.default_rng(0))
    own = Recording(
        subject="X", action="A", name="A", world_TJ3=someone.world_TJ3, fps=50.0, cameras=(camera,),
        seen=(np.zeros((200, 17, 2), np.float32),),
    )  # fmt: skip
    with pytest.raises(DataError, match="brings 2D of its own"):
        film(own, DataConfig(input="coco"))
    problems = dict(DataConfig(name="h36m", input="coco").problems())
    assert "2D of its own" in problems[("input",)]
