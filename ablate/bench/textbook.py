"""The yardstick of speed: D3DP (Shan et al., ICCV 2023) as one would write it down from the papers, and no faster.

Around MixSTE (Zhang et al., CVPR 2022) as denoiser: attention is three explicit steps, tokens are copied into another
order between spatial and temporal blocks, all hypotheses go through as one batch, the mirrored window through a second
call, each call starts from nothing, and all of it is float32. It computes what the zoo's ``d3dp`` does, of the same
weights.

Legend: B windows, K steps, H hypotheses, F frames, J joints, C channels, S sequences of N tokens, G heads.
"""

import math
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from models.config import D3DP, JOINTS, LEFT, RIGHT, Host

CLAMP = 1.1


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x_SNC: Tensor) -> Tensor:
        sequences, tokens, width = x_SNC.shape
        parts = self.qkv(x_SNC).reshape(sequences, tokens, 3, self.heads, width // self.heads)
        q_SGNC, k_SGNC, v_SGNC = parts.permute(2, 0, 3, 1, 4).unbind(0)
        weights_SGNN = (q_SGNC @ k_SGNC.transpose(-2, -1) * self.scale).softmax(dim=-1)
        mixed: Tensor = self.proj((weights_SGNN @ v_SGNC).transpose(1, 2).reshape(sequences, tokens, width))
        return mixed


class Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x_SNC: Tensor) -> Tensor:
        y: Tensor = self.fc2(nnf.gelu(self.fc1(x_SNC)))
        return y


class Block(nn.Module):
    """A pre-norm transformer block, with stochastic depth by sequence."""

    def __init__(self, config: Host, drop_path: float) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.norm1, self.norm2 = (nn.LayerNorm(config.width, eps=1e-6) for _ in range(2))
        self.attn = Attention(config.width, config.heads)
        self.mlp = Mlp(config.width, config.hidden)

    def forward(self, x_SNC: Tensor) -> Tensor:
        x_SNC = x_SNC + self._kept(self.attn(self.norm1(x_SNC)))
        return x_SNC + self._kept(self.mlp(self.norm2(x_SNC)))

    def _kept(self, x_SNC: Tensor) -> Tensor:
        if not self.training or self.drop_path == 0:
            return x_SNC
        kept_S = x_SNC.new_empty(len(x_SNC), 1, 1).bernoulli_(1 - self.drop_path)
        return x_SNC * kept_S / (1 - self.drop_path)


class TimeEmbedding(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.fc1, self.fc2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, t_B: Tensor) -> Tensor:
        half = self.width // 2
        pace = torch.exp(torch.arange(half, device=t_B.device) * -(math.log(10000) / max(half - 1, 1)))
        phase = t_B.float()[:, None] * pace
        y: Tensor = self.fc2(nnf.gelu(self.fc1(torch.cat([phase.sin(), phase.cos()], dim=-1))))
        return y


class Denoiser(nn.Module):
    """MixSTE over 2D poses beside noisy 3D ones; its parts are called as the zoo calls them."""

    def __init__(self, config: Host) -> None:
        super().__init__()
        width, depth = config.width, config.depth
        rates = torch.linspace(0, config.drop_path, depth).tolist()
        self.embed = nn.Linear(5, width)
        self.joint_embedding = nn.Parameter(torch.zeros(JOINTS, width))
        self.frame_embedding = nn.Parameter(torch.zeros(config.frames, width))
        self.time = TimeEmbedding(width)
        self.spatial = nn.ModuleList(Block(config, rate) for rate in rates)
        self.temporal = nn.ModuleList(Block(config, rate) for rate in rates)
        self.spatial_norm, self.temporal_norm = (nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.head_norm, self.head = nn.LayerNorm(width), nn.Linear(width, 3)

    def forward(self, x2d_BFJ2: Tensor, xt_BHFJ3: Tensor, t_B: Tensor) -> Tensor:
        """Clean poses (B, H, F, J, 3) of noisy ones at times ``t_B``."""
        windows, hypotheses, frames = xt_BHFJ3.shape[:3]
        both = torch.cat([x2d_BFJ2[:, None].repeat(1, hypotheses, 1, 1, 1), xt_BHFJ3], dim=-1)
        x = self.embed(both) + self.joint_embedding + self.time(t_B)[:, None, None, None]
        sequences = windows * hypotheses
        for pair, (spatial, temporal) in enumerate(zip(self.spatial, self.temporal, strict=True)):
            x = self.spatial_norm(spatial(x.reshape(sequences * frames, JOINTS, -1)))
            x = x.view(sequences, frames, JOINTS, -1).permute(0, 2, 1, 3).reshape(sequences * JOINTS, frames, -1)
            if pair == 0:
                x = x + self.frame_embedding
            x = self.temporal_norm(temporal(x))
            x = x.view(sequences, JOINTS, frames, -1).permute(0, 2, 1, 3)
        x0: Tensor = self.head(self.head_norm(x))
        return x0.view(windows, hypotheses, frames, JOINTS, 3)


class Textbook(nn.Module):
    """The sampler and the training loss, of the very weights of a ``lifter`` of the zoo.

    Raises ValueError for a lifter that isn't a plain D3DP.
    """

    def __init__(self, lifter: nn.Module) -> None:
        super().__init__()
        config: Any = lifter.config
        if type(config) is not D3DP:
            raise ValueError("the textbook knows D3DP alone")
        if config.pruning is not None or config.input != "absolute":
            raise ValueError("the textbook knows neither pruning nor root-relative input")
        self.config: D3DP = config
        self.denoiser = Denoiser(config)
        self.load_state_dict(lifter.state_dict())
        steps = torch.arange(config.timesteps + 1, dtype=torch.float64) / config.timesteps
        signal = torch.cos((steps + 0.008) / 1.008 * math.pi / 2) ** 2
        betas = (1 - signal[1:] / signal[:-1]).clamp(max=0.999)
        self.alphas: list[float] = torch.cumprod(1 - betas, dim=0).tolist()

    @torch.no_grad()
    def lift(self, x2d_BFJ2: Tensor, *, noise: Tensor, flip: bool = True, eta: float = 1.0) -> Tensor:
        """Every step's estimate, (B, K, H, F, J, 3), by DDIM (Song et al., 2021) from draws (K, B, H, F, J, 3)."""
        limit, x_t, estimates = CLAMP * self.config.scale, noise[0], list[Tensor]()
        times = torch.linspace(-1, self.config.timesteps - 1, len(noise) + 1).int().tolist()[::-1]
        for step, (time, next_time) in enumerate(pairwise(times)):
            x_0 = self._estimate(x2d_BFJ2, x_t.clamp(-limit, limit) / self.config.scale, time, flip)
            x_0 = (x_0 * self.config.scale).clamp(-limit, limit)
            estimates.append(x_0 / self.config.scale)
            if next_time < 0:
                break
            alpha, alpha_next = self.alphas[time], self.alphas[next_time]
            epsilon = (x_t / math.sqrt(alpha) - x_0) / math.sqrt(1 / alpha - 1)
            sigma = eta * math.sqrt((1 - alpha / alpha_next) * (1 - alpha_next) / (1 - alpha))
            direction = math.sqrt(1 - alpha_next - sigma**2) * epsilon
            x_t = math.sqrt(alpha_next) * x_0 + direction + sigma * noise[step + 1]
        return torch.stack(estimates, dim=1)

    def loss(self, x2d_BFJ2: Tensor, x3d_BFJ3: Tensor) -> Tensor:
        """The MPJPE of one estimate of each window, noised window by window; draws are torch's own."""
        limit, noised, times = CLAMP * self.config.scale, list[Tensor](), list[int]()
        for x3d_FJ3 in x3d_BFJ3:
            time = int(torch.randint(0, self.config.timesteps, ()))
            alpha = self.alphas[time]
            x_t = math.sqrt(alpha) * x3d_FJ3 * self.config.scale + math.sqrt(1 - alpha) * torch.randn_like(x3d_FJ3)
            noised.append(x_t.clamp(-limit, limit) / self.config.scale)
            times.append(time)
        t_B = torch.tensor(times, device=x2d_BFJ2.device)
        x0_BFJ3 = self.denoiser(x2d_BFJ2, torch.stack(noised)[:, None], t_B)[:, 0]
        error: Tensor = torch.linalg.vector_norm(x0_BFJ3 - x3d_BFJ3, dim=-1).mean()
        return error

    def _estimate(self, x2d_BFJ2: Tensor, x_t: Tensor, time: int, flip: bool) -> Tensor:
        t_B = torch.full((len(x2d_BFJ2),), time, device=x2d_BFJ2.device)
        straight: Tensor = self.denoiser(x2d_BFJ2, x_t, t_B)
        if not flip:
            return straight
        return (straight + mirrored(self.denoiser(mirrored(x2d_BFJ2), mirrored(x_t), t_B))) / 2


def mirrored(x_J: Tensor) -> Tensor:
    """Poses (..., J, 2 or 3) with x negated, left and right exchanged."""
    x_J = x_J.clone()
    x_J[..., 0] *= -1
    x_J[..., LEFT + RIGHT, :] = x_J[..., RIGHT + LEFT, :]
    return x_J
