"""Cameras against VideoPose3D's own numbers."""

from pathlib import Path

import numpy as np
import pytest

from ablate.data.arrays import Array
from ablate.data.camera import (
    camera_to_world,
    denormalise_screen,
    normalise_screen,
    project,
    project_linear,
    world_to_camera,
)
from ablate.data.recording import Camera
from ablate.data.rigs import ring
from ablate.data.skeleton import LEFT, MIRROR, NAMES, PARENTS, RIGHT, mirror
from tests.motion import travelling

FIXTURE = Path(__file__).parents[1] / "fixtures" / "camera.npz"


@pytest.fixture(scope="module")
def reference() -> dict[str, Array]:
    with np.load(FIXTURE, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def camera_of(reference: dict[str, Array], i: int) -> Camera:
    a, b, c, d = reference["orientation"][i].tolist()
    x, y, z = reference["translation"][i].tolist()
    fx, fy, cx, cy, k1, k2, k3, p1, p2 = reference["intrinsic"][i].tolist()
    width, height = reference["resolution"][i].tolist()
    return Camera(
        name=str(i),
        orientation=(a, b, c, d),
        translation=(x, y, z),
        intrinsic=(fx, fy, cx, cy, k1, k2, k3, p1, p2),
        resolution=(width, height),
    )


@pytest.mark.parametrize("i", [0, 1])
def test_parity_with_the_reference(reference: dict[str, Array], i: int) -> None:
    camera = camera_of(reference, i)
    close = np.testing.assert_allclose
    close(world_to_camera(reference["world"][i], camera), reference["camera"][i], rtol=0, atol=1e-5)
    close(camera_to_world(reference["camera"][i], camera), reference["world_again"][i], rtol=0, atol=1e-5)
    close(project(reference["camera"][i], camera), reference["projected"][i], rtol=0, atol=5e-6)
    close(project_linear(reference["camera"][i], camera), reference["projected_linear"][i], rtol=0, atol=5e-6)
    pixels = denormalise_screen(project(reference["camera"][i], camera), camera.resolution)
    close(pixels, reference["projected_px"][i], rtol=0, atol=2e-3)


@pytest.mark.parametrize("i", [0, 1])
def test_parity_where_the_ratios_are_held_within_one(reference: dict[str, Array], i: int) -> None:
    camera, points = camera_of(reference, i), reference["wide/camera_points"][i]
    assert (np.abs(points[..., :2] / points[..., 2:]) > 1).any()
    np.testing.assert_allclose(project(points, camera), reference["wide/projected"][i], rtol=0, atol=5e-6)
    np.testing.assert_allclose(project_linear(points, camera), reference["wide/projected_linear"][i], rtol=0, atol=5e-6)


@pytest.mark.parametrize("i", [0, 1])
def test_parity_of_the_screen(reference: dict[str, Array], i: int) -> None:
    camera = camera_of(reference, i)
    screen = normalise_screen(reference["pixels"][i], camera.resolution)
    np.testing.assert_allclose(screen, reference["normalised"][i], rtol=0, atol=5e-6)
    np.testing.assert_allclose(
        denormalise_screen(screen, camera.resolution), reference["pixels_again"][i], rtol=0, atol=2e-3
    )


def test_there_and_back() -> None:
    world_TJ3 = travelling()
    for camera in ring(world_TJ3, 3, np.random.default_rng(0)):
        np.testing.assert_allclose(camera_to_world(world_to_camera(world_TJ3, camera), camera), world_TJ3, atol=1e-12)
    pixels = np.array([[0.0, 0.0], [1000.0, 1002.0], [12.5, 700.0]])
    np.testing.assert_allclose(denormalise_screen(normalise_screen(pixels, (1000, 1002)), (1000, 1002)), pixels)


def test_a_mirrored_picture_is_the_picture_of_mirrored_motion() -> None:
    world_TJ3 = travelling()
    camera = ring(world_TJ3, 1, np.random.default_rng(2))[0]
    points_TJ3 = world_to_camera(world_TJ3, camera)
    np.testing.assert_allclose(project(mirror(points_TJ3), camera), mirror(project(points_TJ3, camera)), atol=1e-12)


def test_mirror_undoes_itself_and_leaves_its_input() -> None:
    poses = np.random.default_rng(0).normal(size=(5, 17, 3))
    before = poses.copy()
    np.testing.assert_array_equal(mirror(mirror(poses)), poses)
    np.testing.assert_array_equal(poses, before)
    np.testing.assert_array_equal(mirror(poses)[:, LEFT, 1:], poses[:, RIGHT, 1:])


def test_skeleton_is_that_of_human36m() -> None:
    assert PARENTS == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
    assert MIRROR == (0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13)
    for joint, other in enumerate(MIRROR):
        assert NAMES[other] == NAMES[joint].replace("left", "?").replace("right", "left").replace("?", "right")
    assert all(MIRROR[PARENTS[j]] == PARENTS[MIRROR[j]] for j in range(1, 17))
