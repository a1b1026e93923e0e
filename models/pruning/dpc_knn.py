"""DPC-kNN on tokens: density peaks of a window's frames, without a look at time (as HoT, CVPR 2024, clusters them).

Legend: B windows (or windows x hypotheses), F frames, J joints, C channels, E descriptor size, N kept frames.
"""

import torch
from torch import Tensor

from models.pruning.mgptp import squared_distances

NEIGHBOURS = 2  # a frame counts as its own first one


def dpc_knn(x_BFJC: Tensor, count: int) -> Tensor:
    """The highest density peaks among the joint-pooled tokens of a pass.

    (B, count) frames, rising.
    """
    return density_peaks(x_BFJC.mean(2), count).sort(1).values


def density_peaks(
    tokens_BFE: Tensor, count: int, neighbours: int = NEIGHBOURS, tie_break_BF: Tensor | None = None
) -> Tensor:
    """(B, count) frames, the highest density x distance to the nearest denser frame first.

    Mutual nearest neighbours are exactly as dense as each other, and neither is the other's denser one; the published
    program adds noise to the densities, ``tie_break_BF``, and where it is None equal scores go by the earlier frame.
    """
    distance_BFF = squared_distances(tokens_BFE) / tokens_BFE.shape[-1]
    nearest = distance_BFF.topk(min(neighbours, distance_BFF.shape[-1]), dim=-1, largest=False).values
    density_BF = (-nearest.mean(-1)).exp()
    if tie_break_BF is not None:
        density_BF = density_BF + tie_break_BF
    denser_BFF = density_BF[:, None, :] > density_BF[:, :, None]
    farthest_B11 = distance_BFF.amax((1, 2), keepdim=True)
    to_denser_BF = torch.where(denser_BFF, distance_BFF, farthest_B11).amin(-1).sqrt()
    return (density_BF * to_denser_BF).sort(dim=1, descending=True, stable=True).indices[:, :count]
