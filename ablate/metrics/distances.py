"""How far a pose is from the truth, frame by frame. Legend: see the package.

Poses are root-relative camera space in metres, and so are the errors. The root's own error counts: the mean runs over
all joints, as in D3DP (Shan et al., ICCV 2023).
"""

import torch
from torch import Tensor

from ablate.metrics.alignment import align, chunks, together

ALIGNED = 1 << 16
"""Poses of which ``p_mpjpe`` keeps the aligned ones at a time: 13 MB in float32."""


def joint_errors(pose_FJC: Tensor, truth_FJC: Tensor) -> Tensor:
    """Euclidean distance of each joint, (..., F, J, 3) -> (..., F, J), in the poses' unit."""
    distance_FJ: Tensor = torch.linalg.vector_norm(pose_FJC - truth_FJC, dim=-1)
    return distance_FJ


def mpjpe(pose_FJC: Tensor, truth_FJC: Tensor) -> Tensor:
    """Mean distance over the joints of each frame, (..., F, J, 3) -> (..., F) (Ionescu et al., PAMI 2014)."""
    return joint_errors(pose_FJC, truth_FJC).mean(dim=-1)


def weighted_mpjpe(pose_FJC: Tensor, truth_FJC: Tensor, weight_J: Tensor) -> Tensor:
    """As ``mpjpe``, each joint's distance times its weight; what weights add up to is not divided out."""
    return (joint_errors(pose_FJC, truth_FJC) * weight_J).mean(dim=-1)


def p_mpjpe(pose_FJC: Tensor, truth_FJC: Tensor) -> Tensor:
    """MPJPE of each frame after ``align``, (..., F, J, 3) -> (..., F). Aligned poses are kept for some frames only."""
    pose_FJC, truth_FJC = together(pose_FJC, truth_FJC)
    error_F = pose_FJC.new_empty(pose_FJC.shape[:-2])
    for error, pose, truth in zip(
        *(chunks(x, ALIGNED) for x in (error_F[..., None, None], pose_FJC, truth_FJC)), strict=True
    ):
        error[..., 0, 0] = mpjpe(align(pose, truth), truth)
    return error_F


def n_mpjpe(pose_FJC: Tensor, truth_FJC: Tensor) -> Tensor:
    """MPJPE of each frame after the scale that brings it nearest to the truth, (..., F, J, 3) -> (..., F).

    The root stays where it is (Rhodin et al., CVPR 2018; as in VideoPose3D). A pose without extent has no best scale:
    it stays as it is.
    """
    size_F = pose_FJC.square().sum(dim=(-2, -1))
    scale_F = (pose_FJC * truth_FJC).sum(dim=(-2, -1)) / size_F.clamp_min(torch.finfo(size_F.dtype).tiny)
    return mpjpe(scale_F[..., None, None] * pose_FJC, truth_FJC)


def mpjve(pose_FJC: Tensor, truth_FJC: Tensor) -> Tensor:
    """Mean error of the joints' velocities between each frame and the next, (..., F, J, 3) -> (..., F - 1).

    Metres a frame (Pavllo et al., CVPR 2019).
    """
    return mpjpe(pose_FJC.diff(dim=-3), truth_FJC.diff(dim=-3))


def acceleration_error(pose_FJC: Tensor, truth_FJC: Tensor) -> Tensor:
    """Mean error of the joints' accelerations over three frames, (..., F, J, 3) -> (..., F - 2).

    Metres a frame a frame: the second difference (Kanazawa et al., CVPR 2019).
    """
    return mpjpe(pose_FJC.diff(n=2, dim=-3), truth_FJC.diff(n=2, dim=-3))
