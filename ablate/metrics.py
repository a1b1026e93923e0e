"""The errors of poses, and how several hypotheses become one: pure functions of tensors, any device, no state.

B windows, K denoising steps, H hypotheses, F frames, J joints, C = 3 coordinates; ``...`` any leading dimensions, which
broadcast. Poses are root-relative camera space in metres, and so are the errors. The root's own error counts: the mean
runs over all joints, as in D3DP (Shan et al., ICCV 2023).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Aggregation = Literal["mean", "p_best", "j_best"]

AGGREGATIONS: tuple[Aggregation, ...] = ("mean", "p_best", "j_best")

ORACLES: frozenset[str] = frozenset({"p_best", "j_best"})
"""Aggregations that look at the ground truth: bounds on what choosing could reach, never results one can deploy."""


def joint_errors(pose_FJC: Tensor, truth_FJC: Tensor) -> Tensor:
    """Euclidean distance of each joint, (..., F, J, 3) -> (..., F, J), in the poses' unit."""
    distance_FJ: Tensor = torch.linalg.vector_norm(pose_FJC - truth_FJC, dim=-1)
    return distance_FJ


def mpjpe(pose_FJC: Tensor, truth_FJC: Tensor) -> Tensor:
    """Mean distance over the joints of each frame, (..., F, J, 3) -> (..., F) (Ionescu et al., PAMI 2014)."""
    return joint_errors(pose_FJC, truth_FJC).mean(dim=-1)


def p_mpjpe(pose_FJC: Tensor, truth_FJC: Tensor) -> Tensor:
    """MPJPE of each frame after ``align``, (..., F, J, 3) -> (..., F)."""
    return mpjpe(align(pose_FJC, truth_FJC), truth_FJC)


def mpjve(pose_FJC: Tensor, truth_FJC: Tensor) -> Tensor:
    """Mean error of the joints' velocities between each frame and the next, (..., F, J, 3) -> (..., F - 1).

    Metres a frame (Pavllo et al., CVPR 2019).
    """
    return mpjpe(pose_FJC.diff(dim=-3), truth_FJC.diff(dim=-3))


def align(pose_FJC: Tensor, truth_FJC: Tensor) -> Tensor:
    """``pose`` after the similarity transform (rotation, scale, shift) that brings each frame nearest to ``truth``.

    Orthogonal Procrustes analysis with the reflection refused (Umeyama, PAMI 1991); (..., F, J, 3) -> the same shape
    and dtype. A pose whose joints all coincide has no best rotation or scale: it is only shifted. Inputs must be
    finite (torch.linalg.LinAlgError otherwise).
    """
    pose_mean, truth_mean = pose_FJC.mean(dim=-2, keepdim=True), truth_FJC.mean(dim=-2, keepdim=True)
    pose_centred, truth_centred = pose_FJC - pose_mean, truth_FJC - truth_mean
    left, stretch, right = torch.linalg.svd(pose_centred.mT @ truth_centred)
    flip = torch.ones_like(stretch)
    flip[..., -1] = torch.where(torch.linalg.det(left) * torch.linalg.det(right) < 0, -1.0, 1.0)
    rotation = (left * flip[..., None, :]) @ right
    size = pose_centred.square().sum(dim=(-2, -1))
    scale = (stretch * flip).sum(dim=-1) / size.clamp_min(torch.finfo(size.dtype).tiny)
    aligned_FJC: Tensor = scale[..., None, None] * (pose_centred @ rotation) + truth_mean
    return aligned_FJC


def aggregate(pose_HFJC: Tensor, truth_FJC: Tensor, aggregation: Aggregation) -> Tensor:
    """One pose sequence out of H hypotheses, (..., H, F, J, 3) and (..., F, J, 3) -> (..., F, J, 3).

    ``mean`` averages the hypotheses (P-Agg); ``p_best`` takes, frame by frame, the hypothesis whose pose is nearest to
    the truth, and ``j_best`` does so for each joint (P-Best and J-Best of D3DP, which picks P-Best by evaluation batch,
    so that its value moves with the batch size; ours does not). The last two are oracles.
    """
    if aggregation == "mean":
        return pose_HFJC.mean(dim=-4)
    errors_HFJ = joint_errors(pose_HFJC, truth_FJC.unsqueeze(-4))
    if aggregation == "p_best":
        errors_HFJ = errors_HFJ.mean(dim=-1, keepdim=True).expand_as(errors_HFJ)
    best_1FJ1 = errors_HFJ.argmin(dim=-3, keepdim=True).unsqueeze(-1)
    return pose_HFJC.take_along_dim(best_1FJ1, dim=-4).squeeze(-4)


def errors(
    pose_HFJC: Tensor, truth_FJC: Tensor, aggregations: Sequence[Aggregation]
) -> dict[tuple[str, Aggregation], Tensor]:
    """Each metric under each aggregation, (..., H, F, J, 3) and (..., F, J, 3) -> (..., F), or (..., F - 1) for mpjve.

    An oracle chooses anew for P-MPJPE, among hypotheses that have each been aligned, as D3DP does; ``mean`` aligns the
    mean pose. MPJVE is the velocity error of the sequence chosen by position: its jumps between hypotheses count.
    """
    found: dict[tuple[str, Aggregation], Tensor] = {}
    oracle = any(aggregation in ORACLES for aggregation in aggregations)
    aligned_HFJC = align(pose_HFJC, truth_FJC.unsqueeze(-4)) if oracle else None
    for aggregation in aggregations:
        pose_FJC = aggregate(pose_HFJC, truth_FJC, aggregation)
        found["mpjpe", aggregation] = mpjpe(pose_FJC, truth_FJC)
        if aggregation in ORACLES and aligned_HFJC is not None:
            found["p_mpjpe", aggregation] = mpjpe(aggregate(aligned_HFJC, truth_FJC, aggregation), truth_FJC)
        else:
            found["p_mpjpe", aggregation] = p_mpjpe(pose_FJC, truth_FJC)
        found["mpjve", aggregation] = mpjve(pose_FJC, truth_FJC)
    return found
