"""SFT: whole frames are gathered, and temporal attention sees nothing but what was kept.

Legend: B windows (or windows x hypotheses), F frames, N kept frames, D = F - N dropped ones, J joints, C channels.
Shapes never depend on values, so all of it runs on the meta device.
"""

import torch
from torch import Tensor


def gather(x_BFJC: Tensor, frames_BN: Tensor) -> Tensor:
    """The frames ``frames_BN`` of each window: (B, N, J, C)."""
    windows, frames, joints, width = x_BFJC.shape
    rows = frames_BN + torch.arange(windows, device=x_BFJC.device)[:, None] * frames
    return x_BFJC.flatten(0, 1).index_select(0, rows.flatten()).view(windows, -1, joints, width)


def others(frames_BN: Tensor, frames: int) -> Tensor:
    """The frames of 0..frames-1 that are not among ``frames_BN``, rising: (B, frames - N)."""
    kept_BF = torch.zeros(len(frames_BN), frames, dtype=torch.int8, device=frames_BN.device)
    kept_BF = kept_BF.scatter(1, frames_BN, 1)
    return kept_BF.sort(dim=1, stable=True).indices[:, : frames - frames_BN.shape[1]]


def neighbour_ranks(similarity_BFF: Tensor) -> Tensor:
    """(B, F, F) int32: place of frame j among the frames most similar to i; ties go to the earlier frame.

    Ranks, not similarities, travel to the device, so that a tie can't be broken otherwise there. Itself comes first.
    """
    own = torch.eye(similarity_BFF.shape[-1], dtype=torch.bool)
    order = similarity_BFF.masked_fill(own, torch.inf).sort(dim=-1, descending=True, stable=True).indices
    places = torch.arange(order.shape[-1], dtype=torch.int32).expand(order.shape)
    return torch.empty_like(places).contiguous().scatter_(-1, order, places)


def among(x_BFF: Tensor, frames_BN: Tensor) -> Tensor:
    """The rows and columns ``frames_BN`` of each matrix: (B, N, N)."""
    rows = x_BFF.gather(1, frames_BN[:, :, None].expand(-1, -1, x_BFF.shape[2]))
    return rows.gather(2, frames_BN[:, None, :].expand(-1, frames_BN.shape[1], -1))


def focus_mask(rank_BNN: Tensor, focus: int) -> Tensor:
    """(B, N, N) bool: each frame sees the ``focus`` others (itself included) of the lowest rank."""
    nearest = rank_BNN.topk(focus, dim=-1, largest=False).indices
    return torch.zeros_like(rank_BNN, dtype=torch.bool).scatter(-1, nearest, True)
