"""Merging along time: frames beside each other that are most alike become one token a joint, their mean.

After ToMe (Bolya et al., ICLR 2023), whose merging weighs a merged token in attention by the logarithm of its size.
Theirs pairs any two tokens, layer by layer; a window's frames are in order, so here, once, the joins between frames
beside each other that look least alike stay, and every run between two of them is a group (our own).

Legend: B windows (or windows x hypotheses), F frames, J joints, C channels, N groups.
"""

import torch
import torch.nn.functional as nnf
from torch import Tensor

from models.pruning.sft import gather


@torch.no_grad()
def merge(x_BFJC: Tensor, count: int) -> Tensor:
    """Neighbours in time that are most alike become one, their mean; of equally alike ones the earlier part.

    (B, count), rising: the first frame of each group.
    """
    pooled_BFC = x_BFJC.detach().float().mean(2)
    alike = nnf.cosine_similarity(pooled_BFC[:, 1:], pooled_BFC[:, :-1], dim=-1)
    parted = alike.sort(dim=1, stable=True).indices[:, : count - 1] + 1
    return torch.cat([parted.new_zeros(len(parted), 1), parted], dim=1).sort(1).values


def owners(firsts_BN: Tensor, frames: int) -> Tensor:
    """(B, frames): the group of each frame."""
    wanted = torch.arange(frames, device=firsts_BN.device).expand(len(firsts_BN), -1).contiguous()
    return torch.searchsorted(firsts_BN.contiguous(), wanted, right=True) - 1


def sizes(firsts_BN: Tensor, frames: int) -> Tensor:
    """(B, N): how many frames each group has."""
    return firsts_BN.diff(dim=1, append=firsts_BN.new_full((len(firsts_BN), 1), frames))


def means(x_BFJC: Tensor, firsts_BN: Tensor) -> Tensor:
    """(B, N, J, C): the mean of each group's tokens, which is the token itself in a group of one."""
    windows, frames, joints, width = x_BFJC.shape
    groups = firsts_BN.shape[1]
    rows = owners(firsts_BN, frames) + torch.arange(windows, device=x_BFJC.device)[:, None] * groups
    sums = x_BFJC.new_zeros(windows * groups, joints, width).index_add(0, rows.flatten(), x_BFJC.flatten(0, 1))
    return sums.view(windows, groups, joints, width) / sizes(firsts_BN, frames)[:, :, None, None]


def size_bias(firsts_BN: Tensor, frames: int) -> Tensor:
    """(B, N, N) float: what is added to attention's logits, so that a group counts for all its frames."""
    groups = firsts_BN.shape[1]
    return sizes(firsts_BN, frames).log()[:, None].repeat(1, groups, 1)


def unmerge(x_BNJC: Tensor, firsts_BN: Tensor, frames: int) -> Tensor:
    """(B, frames, J, C): each frame takes its group's token."""
    return gather(x_BNJC, owners(firsts_BN, frames))
