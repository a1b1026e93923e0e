"""The smoothing control: what low-passing poses in time gives by itself, without pruning anything.

Pruning that interpolates between kept frames also smooths, and smoothing alone can lower an error where the input's
noise is faster than the motion. So each pruned configuration is to be compared with dense poses that are as slow.

F frames, J joints, C = 3 coordinates; ``...`` any leading dimensions.
"""

import math
from functools import cache

import torch
from torch import Tensor

REACH = 4  # standard deviations at which the kernel ends: what is cut off is 1e-4 of it


def low_pass(pose_FJC: Tensor, kept: int) -> Tensor:
    """Poses (..., F, J, 3) smoothed to what ``kept`` evenly spaced frames of the F could follow; same shape and dtype.

    A Gaussian in time that halves the power at these frames' Nyquist frequency, kept / 2 F cycles a frame. Beyond the
    ends the motion goes on point-reflected, so a steady motion stays as it is. Linear, and the same for every joint.
    """
    weight_FF = _weights(pose_FJC.shape[-3], kept).to(pose_FJC)
    smoothed_FJC: Tensor = torch.einsum("gf,...fjc->...gjc", weight_FF, pose_FJC)
    return smoothed_FJC


@cache
def _weights(frames: int, kept: int) -> Tensor:
    """(F, F) float64: how much each frame counts in each smoothed one; rows sum to one."""
    deviation = math.sqrt(math.log(2)) * frames / (math.pi * kept)
    reach = min(math.ceil(REACH * deviation), frames - 1)
    offset_O = torch.arange(-reach, reach + 1)
    kernel_O = torch.exp(-0.5 * (offset_O / deviation).double() ** 2)
    kernel_O = (kernel_O / kernel_O.sum()).expand(frames, -1)
    at_FO = torch.arange(frames)[:, None] + offset_O
    end_FO = at_FO.clamp(0, frames - 1)
    weight_FF = torch.zeros(frames, frames, dtype=torch.float64)
    outside_FO = torch.where(at_FO == end_FO, 0.0, kernel_O)
    # beyond an end the pose is twice that at the end less the one as far inside
    weight_FF.scatter_add_(1, 2 * end_FO - at_FO, torch.where(at_FO == end_FO, kernel_O, -kernel_O))
    return weight_FF.scatter_add_(1, end_FO, 2 * outside_FO)
