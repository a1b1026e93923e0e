"""The shared layers: attention, MLP, block, time embedding.

Legend: B windows (or windows x hypotheses), F frames, J joints, C channels, S frames that serve as keys and values,
D dropped frames.

Tokens stay (B, F, J, C) from the embedding to the head. Spatial attention sees frames as batch; temporal attention sees
joints as further heads; both are strided views, so no block copies tokens into another order.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from models.kernels import Linear, linear

Axis = Literal["joints", "frames"]


class Attention(nn.Module):
    """Multi-head attention along the joints of a frame, or along the frames of a joint."""

    def __init__(self, width: int, heads: int, axis: Axis) -> None:
        super().__init__()
        self.heads, self.axis = heads, axis
        self.qkv = Linear(width, 3 * width)
        self.proj = Linear(width, width)

    def view(self, x_BFJC: Tensor) -> Tensor:
        """(batch, heads, sequence, C / heads) as a view."""
        windows, frames, joints, width = x_BFJC.shape
        channels = width // self.heads
        if self.axis == "joints":
            return x_BFJC.view(windows * frames, joints, self.heads, channels).transpose(1, 2)
        return x_BFJC.view(windows, frames, joints * self.heads, channels).transpose(1, 2)

    def project(self, x_BFJC: Tensor, source_BSJC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries of ``x_BFJC``, keys and values of ``source_BSJC``, each (batch, heads, sequence, C / heads)."""
        # three products instead of one fused: each result is contiguous, so heads of all joints are one strided axis
        width = x_BFJC.shape[-1]
        weights = self.qkv.weight.view(3, width, width).unbind()
        biases = self.qkv.bias.view(3, width).unbind()
        q = self.view(linear(x_BFJC, weights[0], biases[0]))
        k = self.view(linear(source_BSJC, weights[1], biases[1]))
        v = self.view(linear(source_BSJC, weights[2], biases[2]))
        return q, k, v

    def forward(self, x_BFJC: Tensor, source_BSJC: Tensor, mask_BFS: Tensor | None = None) -> Tensor:
        """Queries from ``x_BFJC``, keys and values from ``source_BSJC``; ``mask_BFS`` True where a query may look."""
        q, k, v = self.project(x_BFJC, source_BSJC)
        out = attend(q, k, v, None if mask_BFS is None else mask_BFS[:, None])
        projected: Tensor = self.proj(out.transpose(1, 2).reshape(x_BFJC.shape))
        return projected


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax attention of (batch, heads, sequence, C / heads); ``mask``: True where a query may look, or added to the
    logits.

    It is torch's fused kernel, but where a CPU trains in bfloat16: there that kernel's backward pass takes 2 to 10
    times as long as plain products (torch 2.13).
    """
    if not (q.requires_grad and q.dtype == torch.bfloat16 and q.device.type == "cpu"):
        return nnf.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    logits = torch.matmul(q * q.shape[-1] ** -0.5, k.mT)
    if mask is not None:
        logits = logits.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else logits + mask
    return torch.matmul(logits.softmax(-1).to(v.dtype), v)  # a mask that is added brings its own precision


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them, on the last axis."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = Linear(width, hidden)
        self.fc2 = Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(self.fc1(x, gelu=True))
        return y


class Block(nn.Module):
    """A pre-norm transformer block along one axis (as MixSTE's).

    ``recompute``: keep only what goes in for the backward pass, and compute the rest once more there.
    """

    recompute = False

    def __init__(self, width: int, heads: int, hidden: int, axis: Axis) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads, axis)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, hidden)

    def forward(
        self,
        x_BFJC: Tensor,
        *,
        context_BDJC: Tensor | None = None,
        mask_BFF: Tensor | None = None,
        keep: tuple[Tensor, Tensor] | None = None,
        keys_BSJC: Tensor | None = None,
    ) -> Tensor:
        """``context_BDJC``: frozen tokens that are seen but not updated. ``mask_BFF``: which frames see which.
        ``keys_BSJC``: second keys of all that is seen, for an attention of a host's own that asks for some.

        ``keep``: stochastic depth's factor for each of the two branches, broadcastable to ``x_BFJC``.
        """
        given = (x_BFJC, context_BDJC, mask_BFF, keep, keys_BSJC)
        if not (self.recompute and torch.is_grad_enabled()):
            return self._updated(*given)
        again: Tensor = checkpoint(self._updated, *given, use_reentrant=False)
        return again

    def _updated(
        self,
        x_BFJC: Tensor,
        context_BDJC: Tensor | None,
        mask_BFF: Tensor | None,
        keep: tuple[Tensor, Tensor] | None,
        keys_BSJC: Tensor | None,
    ) -> Tensor:
        y = self.norm1(x_BFJC)
        source = y if context_BDJC is None else torch.cat([y, self.norm1(context_BDJC)], dim=1)
        update: Tensor = self.attn(y, source, mask_BFF, *([] if keys_BSJC is None else [keys_BSJC]))
        x_BFJC = x_BFJC + (update if keep is None else update * keep[0])
        update = self.mlp(self.norm2(x_BFJC))
        return x_BFJC + (update if keep is None else update * keep[1])


class TimeEmbedding(nn.Module):
    """The diffusion time as channels: sines, then cosines, of the raw integer; then an MLP (as D3DP's)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.fc1 = nn.Linear(width, 2 * width)
        self.fc2 = nn.Linear(2 * width, width)

    def forward(self, t_B: Tensor) -> Tensor:
        y: Tensor = self.fc2(nnf.gelu(self.fc1(sinusoid(t_B, self.width))))
        return y


def sinusoid(t_B: Tensor, width: int) -> Tensor:
    """(B, width) float32: ``width / 2`` sines, then cosines, wavelengths rising geometrically to 10000 x 2 pi."""
    half = width // 2
    step = -math.log(10000) / max(half - 1, 1)
    frequency = torch.exp(torch.arange(half, device=t_B.device) * step)
    phase = t_B.float()[:, None] * frequency
    return torch.cat([phase.sin(), phase.cos()], dim=-1)
