"""Recovery: from the kept frames back to all frames of the window.

Legend: B windows (or windows x hypotheses), F frames, N kept frames, J joints, C channels.
"""

import torch
from torch import Tensor, nn

from models.layers import attend
from models.pruning.sft import gather


def interpolation(frames_BN: Tensor, frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """For every frame, which two kept ones it lies between, and how far along: (B, F) each.

    ``frames_BN`` rises, N >= 2. Before its first and after its last frame the way stops: where an endpoint was dropped,
    its nearest kept frame stands for it.
    """
    count = frames_BN.shape[1]
    wanted = torch.arange(frames, device=frames_BN.device).expand(len(frames_BN), -1).contiguous()
    before = (torch.searchsorted(frames_BN.contiguous(), wanted, right=True) - 1).clamp(0, count - 2)
    after = before + 1
    start, end = frames_BN.gather(1, before), frames_BN.gather(1, after)
    return before, after, ((wanted - start) / (end - start)).clamp(0, 1)


def interpolate(x_BNJC: Tensor, frames_BN: Tensor, frames: int) -> Tensor:
    """Kept tokens, linearly in time, to (B, frames, J, C): no parameters, and the dense network again at N = F."""
    before, after, along = interpolation(frames_BN, frames)
    return torch.lerp(gather(x_BNJC, before), gather(x_BNJC, after), along.to(x_BNJC.dtype)[:, :, None, None])


class CrossAttention(nn.Module):
    """Queries, one a frame, attend to the kept tokens of each joint.

    ``queries``: how many are learned, one for each frame of the window (as in HoT, CVPR 2024); with 0 the tokens as
    they were before pruning ask instead, joint by joint (our own). The tokens come normed from the last pair. Each
    joint has queries of its own in the counting, as published, though learned ones all start from the same.
    """

    def __init__(self, queries: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_FC = nn.Parameter(torch.empty(queries, width).normal_(std=0.1)) if queries else None
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def forward(self, x_BNJC: Tensor, before_BFJC: Tensor | None = None) -> Tensor:
        """(B, N, J, C) -> (B, F, J, C); ``before_BFJC`` asks where no queries are learned, and is not looked at else.

        Raises ValueError if there is neither.
        """
        windows, _, joints, width = x_BNJC.shape
        if self.query_FC is not None:
            query_BFJC = self.query_FC[None, :, None].repeat(1, 1, joints, 1)  # the same for all windows
        elif before_BFJC is not None:
            query_BFJC = before_BFJC
        else:
            raise ValueError("no learned queries: recovery needs the tokens of before pruning")
        # the heads of all joints side by side, (B, J x heads, frames, C / heads): strided views, no permuted copies
        sizes = (joints * self.heads, width // self.heads)
        q = self.q(query_BFJC).view(len(query_BFJC), -1, *sizes).expand(windows, -1, -1, -1).transpose(1, 2)
        k = self.k(x_BNJC).view(windows, -1, *sizes).transpose(1, 2)
        v = self.v(x_BNJC).view(windows, -1, *sizes).transpose(1, 2)
        out = attend(q, k, v).transpose(1, 2).reshape(windows, -1, joints, width)
        update: Tensor = self.proj(out)
        return query_BFJC + update
