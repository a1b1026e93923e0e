"""Whether poses are of one body: bones keep their length over time, and those of left and right are equally long.

Neither looks at the truth. Legend: see the package; N bones, M bones of the left side. A bone is a pair of joints.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

Bone = tuple[int, int]


def lengths(pose_FJC: Tensor, bones: Sequence[Bone]) -> Tensor:
    """The lengths of ``bones``, (..., F, J, 3) -> (..., F, N), in the poses' unit."""
    ends_N2 = torch.tensor(bones, device=pose_FJC.device)
    length_FN: Tensor = torch.linalg.vector_norm(
        pose_FJC[..., ends_N2[:, 0], :] - pose_FJC[..., ends_N2[:, 1], :], dim=-1
    )
    return length_FN


def bone_variation(pose_FJC: Tensor, bones: Sequence[Bone], counted_F: Tensor) -> Tensor:
    """The standard deviation over time of each bone's length, its mean over bones, (..., F, J, 3) -> (...).

    Over the frames where ``counted_F`` (..., F) is true, divided by their number, and zero where there are none.
    """
    weight_F1 = counted_F.unsqueeze(-1).to(pose_FJC.dtype)
    count_1 = weight_F1.sum(dim=-2).clamp_min(1)
    length_FN = lengths(pose_FJC, bones)
    mean_N = (length_FN * weight_F1).sum(dim=-2) / count_1
    variance_N = ((length_FN - mean_N.unsqueeze(-2)).square() * weight_F1).sum(dim=-2) / count_1
    return variance_N.sqrt().mean(dim=-1)


def asymmetry(pose_FJC: Tensor, left: Sequence[Bone], right: Sequence[Bone]) -> Tensor:
    """By how much bones of the left and of the right differ in length, the mean over pairs, (..., F, J, 3) -> (..., F).

    In the poses' unit; ``right[m]`` is the mirrored ``left[m]``.
    """
    return (lengths(pose_FJC, left) - lengths(pose_FJC, right)).abs().mean(dim=-1)
