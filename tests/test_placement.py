"""Where a pose stands and what a camera sees of it: reference numbers, exact inverses, and poses without a place."""

import numpy as np
import pytest
import torch
from torch import Tensor

from ablate.placement import NEAREST, project, rays, translation
from tests.reference import Numbers

LENS = torch.tensor([2.29, 2.287, 0.025, 0.029, -0.2, 0.24, -0.002, -0.0009, -0.0016])  # about one of Human3.6M's
PINHOLE = torch.tensor([2.29, 2.29, 0.0, 0.0, 0, 0, 0, 0, 0])


@pytest.fixture(scope="module")
def numbers() -> Numbers:
    return Numbers("metrics")


def poses(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Float64 poses (N, 17, 3) with the root at zero, and places of it (N, 3) well before a camera."""
    generator = torch.Generator().manual_seed(seed)
    pose_NJ3 = 0.4 * torch.randn(count, 17, 3, generator=generator, dtype=torch.float64)
    pose_NJ3 -= pose_NJ3[:, :1].clone()
    spread_3 = torch.tensor([0.8, 0.5, 1.0], dtype=torch.float64)
    place_N3 = torch.randn(count, 3, generator=generator, dtype=torch.float64).clamp(-1, 1) * spread_3
    return pose_NJ3, place_N3 + torch.tensor([0.0, 0.0, 5.0], dtype=torch.float64)


def test_projection_agrees_with_the_reference() -> None:
    camera = Numbers("camera")
    lens_C9 = camera["intrinsic"]
    seen = project(camera["camera"], lens_C9[:, None])
    torch.testing.assert_close(seen, camera["projected"], atol=5e-6, rtol=0)
    wide = camera["wide/camera_points"]
    assert (wide[..., :2] / wide[..., 2:]).abs().max() > 1  # ratios that are held
    torch.testing.assert_close(project(wide, lens_C9[:, None]), camera["wide/projected"], atol=5e-6, rtol=0)


def test_rays_undo_a_lens() -> None:
    camera = Numbers("camera")
    points, lens = camera["camera"].double(), camera["intrinsic"].double()[:, None]
    expected = points[..., :2] / points[..., 2:]
    assert expected.abs().max() < 1
    torch.testing.assert_close(rays(project(points, lens), lens), expected, atol=1e-7, rtol=0)


def test_a_pose_that_is_seen_exactly_is_placed_exactly() -> None:
    pose_NJ3, place_N3 = poses(50)
    for lens in (PINHOLE.double(), LENS.double()):
        seen_NJ2 = project(pose_NJ3 + place_N3[:, None], lens)
        torch.testing.assert_close(translation(pose_NJ3, seen_NJ2, lens), place_N3, atol=1e-5, rtol=0)
    single = translation(pose_NJ3.float(), seen_NJ2.float(), LENS)
    torch.testing.assert_close(single.double(), place_N3, atol=2e-3, rtol=0)


def test_the_references_roots_are_found_from_their_noisy_2d(numbers: Numbers) -> None:
    """A pixel or so of noise: the depth is off by centimetres, the rest by less."""
    found_BF3 = translation(numbers["gt"], numbers["inputs_2d"], numbers["camera"])
    gap_BF3 = (found_BF3 - numbers["root"][:, :, 0]).abs()
    assert gap_BF3[..., :2].max() < 0.05
    assert gap_BF3[..., 2].max() < 0.5


def test_no_other_place_is_better() -> None:
    """The sum of squared gaps to the rays, as the docstring states it, against a solver of its own."""
    pose_NJ3, place_N3 = poses(8)
    generator = torch.Generator().manual_seed(5)
    seen_NJ2 = project(pose_NJ3 + place_N3[:, None], LENS.double())
    seen_NJ2 += 0.02 * torch.randn(seen_NJ2.shape, generator=generator, dtype=torch.float64)
    weight_NJ = torch.rand(8, 17, generator=generator, dtype=torch.float64)
    found_N3 = translation(pose_NJ3, seen_NJ2, LENS.double(), weight_NJ)
    ray_NJ2 = rays(seen_NJ2, LENS.double())
    for n in range(8):
        rows, right = [], []
        for joint in range(17):
            root = float(weight_NJ[n, joint]) ** 0.5
            for axis in (0, 1):
                row = [0.0, 0.0, -float(ray_NJ2[n, joint, axis])]
                row[axis] = 1.0
                gap = ray_NJ2[n, joint, axis] * pose_NJ3[n, joint, 2] - pose_NJ3[n, joint, axis]
                rows.append([root * value for value in row])
                right.append(root * float(gap))
        expected, *_ = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)
        np.testing.assert_allclose(found_N3[n].numpy(), expected, atol=1e-8)


def test_what_weighs_nothing_does_not_count() -> None:
    pose_NJ3, place_N3 = poses(4)
    seen_NJ2 = project(pose_NJ3 + place_N3[:, None], PINHOLE.double())
    weight_J = torch.ones(17, dtype=torch.float64)
    weight_J[[3, 9]] = 0
    seen_NJ2[:, [3, 9]] = 5.0
    torch.testing.assert_close(translation(pose_NJ3, seen_NJ2, PINHOLE.double(), weight_J), place_N3)
    off = translation(pose_NJ3, seen_NJ2, PINHOLE.double())
    assert (off - place_N3).norm(dim=-1).min() > 0.1


def test_where_no_place_can_be_told_there_is_none() -> None:
    pose_NJ3, place_N3 = poses(3)
    seen_NJ2 = project(pose_NJ3 + place_N3[:, None], PINHOLE.double())
    assert translation(pose_NJ3, seen_NJ2, PINHOLE.double(), torch.zeros(17, dtype=torch.float64)).isnan().all()
    seen_NJ2[1] = 0.1  # all joints at one point
    found_N3 = translation(pose_NJ3, seen_NJ2, PINHOLE.double())
    assert found_N3[1].isnan().all()
    torch.testing.assert_close(found_N3[[0, 2]], place_N3[[0, 2]])


def test_nobody_is_placed_behind_the_camera() -> None:
    pose_NJ3, place_N3 = poses(2)
    seen_NJ2 = project(pose_NJ3 + place_N3[:, None], PINHOLE.double())
    inside_out, point = -pose_NJ3[:1], torch.zeros_like(pose_NJ3[:1])
    for wrong in (inside_out, point):
        found_13 = translation(wrong, seen_NJ2[:1], PINHOLE.double())
        assert float((wrong + found_13[:, None])[..., 2].min()) == pytest.approx(NEAREST)
        assert found_13.isfinite().all()


def test_leading_dimensions_broadcast() -> None:
    pose_NJ3, place_N3 = poses(6)
    seen_NJ2 = project(pose_NJ3 + place_N3[:, None], LENS.double())
    pose_HNJ3 = torch.stack([pose_NJ3, 1.5 * pose_NJ3])
    found_HN3 = translation(pose_HNJ3, seen_NJ2, LENS.double().expand(6, 9))
    torch.testing.assert_close(found_HN3[0], translation(pose_NJ3, seen_NJ2, LENS.double()))
    torch.testing.assert_close(found_HN3[1], 1.5 * place_N3)  # a larger person is as much further away
    assert project(pose_HNJ3 + found_HN3[..., None, :], LENS.double().expand(6, 9)).shape == (2, 6, 17, 2)
