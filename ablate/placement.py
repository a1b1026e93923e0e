"""Where a root-relative pose stands before a camera, and how it looks from there: pure functions of tensors.

J joints, ``...`` any leading dimensions, which broadcast. Poses are metres in camera axes (x right, y down, z forward),
2D are normalised screen coordinates (the width spans -1..1). ``intrinsic_9`` is (fx, fy, cx, cy, k1, k2, k3, p1, p2) in
the same units, of the lens model of VideoPose3D (see ablate.data.camera).
"""

import torch
from torch import Tensor

NEAREST = 0.1  # metres: no joint is placed nearer to the camera, let alone behind it
SMALLEST = 1e-4  # of x / z: joints that lie closer together, about a tenth of a pixel, are one point
ROUNDS = 12  # of undistorting: Human3.6M's lenses leave 1e-7 of the picture after eight


def project(points_J3: Tensor, intrinsic_9: Tensor) -> Tensor:
    """The 2D (..., J, 2) of points (..., J, 3) through a camera (..., 9), with radial and tangential distortion.

    As ablate.data.camera.project: x/z and y/z are held within -1..1. A point in the camera itself gives NaN.
    """
    focal, centre, radial, tangential = _lens(intrinsic_9)
    ratio_J2 = (points_J3[..., :2] / points_J3[..., 2:]).clamp(-1, 1)
    factor_J1, shift_J2 = _bend(ratio_J2, radial, tangential)
    return focal * (ratio_J2 * factor_J1 + shift_J2) + centre


def rays(x2d_J2: Tensor, intrinsic_9: Tensor) -> Tensor:
    """The ratios x/z and y/z (..., J, 2) of the points that a camera sees at ``x2d_J2``: the inverse of ``project``.

    Distortion has no closed inverse: a fixed number of rounds of substitution, which converge for lenses that bend a
    picture by less than half.
    """
    focal, centre, radial, tangential = _lens(intrinsic_9)
    seen_J2 = (x2d_J2 - centre) / focal
    ratio_J2 = seen_J2
    for _ in range(ROUNDS):
        factor_J1, shift_J2 = _bend(ratio_J2, radial, tangential)
        ratio_J2 = (seen_J2 - shift_J2) / factor_J1
    return ratio_J2


def translation(pose_J3: Tensor, x2d_J2: Tensor, intrinsic_9: Tensor, weight_J: Tensor | None = None) -> Tensor:
    """The root's place (..., 3) from which ``pose_J3`` (..., J, 3) best looks like ``x2d_J2`` (..., J, 2).

    Linear least squares: a joint X, Y, Z that is seen along the ray (u, v) asks for x + X = u (z + Z) and
    y + Y = v (z + Z) of the root's place (x, y, z); the sum over joints of the squared gaps, in metres at the joint and
    weighted by ``weight_J`` (..., J; none is negative), has its minimum in closed form. The 2D's distortion is undone
    first.

    Where no place can be told it is NaN: all weights zero, or all joints at one point of the picture. Where only a
    place at or behind the camera would fit, as for a pose without extent or one turned inside out, the depth is held so
    that the nearest joint is NEAREST before the camera, and x and y fit that depth.
    """
    ray_J2 = rays(x2d_J2, intrinsic_9)
    if weight_J is None:
        weight_J = pose_J3.new_ones(pose_J3.shape[-2])
    share_J1 = (weight_J / weight_J.sum(dim=-1, keepdim=True)).unsqueeze(-1)
    gap_J2 = ray_J2 * pose_J3[..., 2:] - pose_J3[..., :2]  # to the ray, of each joint with the root in the camera
    middle_2, gap_2 = (share_J1 * ray_J2).sum(dim=-2), (share_J1 * gap_J2).sum(dim=-2)
    around_J2 = ray_J2 - middle_2.unsqueeze(-2)
    size = (share_J1 * around_J2.square()).sum(dim=(-2, -1))
    depth = -(share_J1 * around_J2 * gap_J2).sum(dim=(-2, -1)) / size
    depth = depth.where(size > SMALLEST**2, torch.nan)
    depth_1 = torch.maximum(depth, NEAREST - pose_J3[..., 2].amin(dim=-1)).unsqueeze(-1)
    return torch.cat([middle_2 * depth_1 + gap_2, depth_1], dim=-1)


def _lens(intrinsic_9: Tensor) -> tuple[Tensor, ...]:
    """Focal lengths, centre, radial and tangential coefficients, ready to meet joints."""
    lens_19 = intrinsic_9.unsqueeze(-2)
    return lens_19[..., :2], lens_19[..., 2:4], lens_19[..., 4:7], lens_19[..., 7:]


def _bend(ratio_J2: Tensor, radial_13: Tensor, tangential_12: Tensor) -> tuple[Tensor, Tensor]:
    """What the lens multiplies ratios by (..., J, 1), and what it adds to them (..., J, 2)."""
    squared_J1 = ratio_J2.square().sum(dim=-1, keepdim=True)
    first, second, third = (radial_13[..., i : i + 1] for i in range(3))
    factor_J1 = 1 + squared_J1 * (first + squared_J1 * (second + squared_J1 * third))
    return factor_J1 + (tangential_12 * ratio_J2).sum(dim=-1, keepdim=True), tangential_12 * squared_J1
