"""Virtual cameras against what they promise."""

import numpy as np
import pytest

from ablate.data.camera import project, rotation_matrix, world_to_camera
from ablate.data.rigs import FILLED, HEIGHTS, NEAREST, RESOLUTIONS, RIGS, ring, varied
from tests.motion import travelling


@pytest.mark.parametrize("seed", range(5))
def test_ring_sees_everyone_all_the_time(seed: int) -> None:
    world_TJ3 = travelling()
    cameras = ring(world_TJ3, 4, np.random.default_rng(seed))
    for camera in cameras:
        points_TJ3 = world_to_camera(world_TJ3, camera)
        assert points_TJ3[..., 2].min() > 1.5, "somebody comes near the camera"
        assert np.abs(project(points_TJ3, camera)[..., 0]).max() < 1.02, "somebody leaves the picture"
        assert 1.2 <= camera.translation[2] <= 1.8
    azimuths = np.sort([np.arctan2(c.translation[1], c.translation[0] - 2.5) for c in cameras])
    assert np.diff(azimuths).min() > 0.5, "two cameras stand together"


def test_ring_looks_at_the_person_with_z_up() -> None:
    world_TJ3 = np.zeros((4, 17, 3))
    world_TJ3[:, :, 2] = 0.9
    for camera in ring(world_TJ3, 4, np.random.default_rng(1)):
        here = world_to_camera(np.array([0.0, 0.0, 0.9]), camera)
        above = world_to_camera(np.array([0.0, 0.0, 1.4]), camera)
        np.testing.assert_allclose(here[:2], 0, atol=1e-12)
        assert 4 <= np.hypot(*camera.translation[:2]) <= 5
        assert above[1] < here[1], "y must point down"
        assert abs(above[0]) < 1e-12, "the horizon must be level"


@pytest.mark.parametrize("seed", range(20))
def test_varied_cameras_see_everyone_all_the_time(seed: int) -> None:
    world_TJ3 = travelling()
    for camera in varied(world_TJ3, 4, np.random.default_rng(seed)):
        points_TJ3 = world_to_camera(world_TJ3, camera)
        assert points_TJ3[..., 2].min() > NEAREST - 0.3, "somebody comes near the camera, or behind it"
        assert np.abs(project(points_TJ3, camera)[..., 0]).max() < 1.08, "somebody leaves the picture"
        assert HEIGHTS[0] <= camera.translation[2] <= HEIGHTS[1]


def test_varied_cameras_differ_in_picture_lens_size_and_roll() -> None:
    standing_TJ3 = np.zeros((4, 17, 3))
    standing_TJ3[:, :, 2] = np.linspace(0, 1.75, 17)
    cameras = varied(standing_TJ3, 60, np.random.default_rng(0))
    assert {camera.resolution for camera in cameras} == set(RESOLUTIONS)
    sides = [c.intrinsic[0] * c.resolution[0] / 2 / max(c.resolution) for c in cameras]
    assert 0.7 <= min(sides) < 0.8
    assert 1.4 < max(sides) <= 1.5
    heights = []
    for camera in cameras:
        y_TJ = project(world_to_camera(standing_TJ3, camera), camera)[..., 1]
        heights.append(np.ptp(y_TJ) * camera.resolution[0] / camera.resolution[1] / 2)
    assert min(heights) < FILLED[0] + 0.1
    assert 0.7 < max(heights) < 1.2
    # The right-hand axis of a camera that isn't rolled is level.
    rolls = [abs(rotation_matrix(camera.orientation)[2, 0]) for camera in cameras]
    assert max(rolls) > np.sin(np.radians(3))
    assert max(rolls) <= np.sin(np.radians(5)) + 1e-9


@pytest.mark.parametrize("rig", RIGS)
def test_a_rig_is_drawn_by_its_generator(rig: str) -> None:
    first, again, other = (RIGS[rig](travelling(), 3, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert len({camera.name for camera in first}) == 3
