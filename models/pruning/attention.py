"""Attention received: the frames that the others look at most, by the last temporal block that still sees all of them.

As class attention ranks the patches of an image (EViT, Liang et al., ICLR 2022); a window has no class token, so every
frame's look counts the same, as for the tokens of text in SpAtten (Wang et al., HPCA 2021).

Legend: B windows (or windows x hypotheses), F frames, J joints, C channels, G = J x heads attentions, N kept frames.
"""

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn


@torch.no_grad()
def received(y_BFJC: Tensor, qkv: nn.Linear, heads: int, keys_BFJC: Tensor | None = None) -> Tensor:
    """(B, F) mean attention that each frame receives from all frames, over joints and heads; each row sums to one.

    ``y_BFJC``: what the block's attention gets, normed; ``qkv``: its projection, of which queries and keys are computed
    again, for the block itself never forms its weights. ``keys_BFJC``: the second keys of a host that has some.
    """
    windows, frames, joints, width = y_BFJC.shape
    sizes = (windows, frames, joints * heads, width // heads)
    weights, biases = qkv.weight.view(3, width, width), qkv.bias.view(3, width)
    q, k = (nnf.linear(y_BFJC, weights[part], biases[part]) for part in (0, 1))
    if keys_BFJC is not None:
        k = k + keys_BFJC
    q, k = q.view(sizes).transpose(1, 2), k.view(sizes).transpose(1, 2)
    rows = []
    for q_GFC, k_GFC in zip(q, k, strict=True):  # window by window: all their weights at once would fill a GPU
        logits_GFF = (q_GFC @ k_GFC.mT).float() * sizes[-1] ** -0.5
        rows.append(logits_GFF.softmax(-1).mean((0, 1)))
    return torch.stack(rows)


def attention(received_BF: Tensor, count: int) -> Tensor:
    """The frames that receive most attention in the block before, both ends kept; of equal ones the earlier.

    (B, count), rising.
    """
    received_BF = received_BF.clone()
    received_BF[:, 0] = received_BF[:, -1] = torch.inf
    return received_BF.sort(dim=1, descending=True, stable=True).indices[:, :count].sort(1).values
