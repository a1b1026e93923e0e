"""Mirrored poses: what flip averaging and augmentation look at beside the poses themselves. J joints."""

import torch
from torch import Tensor

from models.config import JOINTS, LEFT, RIGHT

_SWAP = dict(zip(LEFT + RIGHT, RIGHT + LEFT, strict=True))
MIRROR = tuple(_SWAP.get(j, j) for j in range(JOINTS))


def mirror(x_J: Tensor) -> Tensor:
    """Mirrored poses (..., J, 2 or 3), or states of bones (x, y, z, length): x negated, left and right exchanged."""
    sign = torch.ones(x_J.shape[-1], dtype=x_J.dtype, device=x_J.device)
    sign[:1] = -1  # of a deterministic lifter's state there is no x
    return x_J[..., MIRROR, :] * sign
