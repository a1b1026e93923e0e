"""The similarity transform that brings a pose nearest to the truth. Legend: see the package."""

import torch
from torch import Tensor


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
