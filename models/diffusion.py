"""The noise schedule and the sampler, as functions of tensors for any denoiser that predicts the clean pose.

Coefficients are float64 and meet tensors only as products: in float32 the first step's ``1 - a' - sigma^2`` cancels.
Sources: cosine schedule of Nichol and Dhariwal (2021), DDIM of Song et al. (2021), clamping of D3DP (ICCV 2023).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

CLAMP = 1.1  # x_t and x_0 stay within this many scales


@cache
def alphas_cumprod(timesteps: int) -> Tensor:
    """(T,) float64 on the CPU: the cosine schedule, s = 0.008, betas clipped at 0.999."""
    steps = torch.linspace(0, timesteps, timesteps + 1, dtype=torch.float64)
    signal = torch.cos((steps / timesteps + 0.008) / 1.008 * math.pi / 2) ** 2
    signal = signal / signal[0]
    betas = (1 - signal[1:] / signal[:-1]).clamp(0, 0.999)
    return torch.cumprod(1 - betas, dim=0)


def q_sample(x_start: Tensor, noise: Tensor, t_B: Tensor, timesteps: int) -> Tensor:
    """The pose ``x_start`` (B, ...) noised to times ``t_B`` (integers in 0..timesteps-1), in ``x_start``'s dtype."""
    alpha_B = alphas_cumprod(timesteps)[t_B.cpu()].reshape(-1, *[1] * (x_start.ndim - 1))
    signal, sigma = (a.to(x_start) for a in (alpha_B.sqrt(), (1 - alpha_B).sqrt()))
    return signal * x_start + sigma * noise


def ddim_pairs(timesteps: int, steps: int) -> list[tuple[int, int]]:
    """(time, next time) of each of ``steps`` denoising steps; the last next time, -1, means done."""
    times = torch.linspace(-1, timesteps - 1, steps + 1).int().tolist()[::-1]
    return list(pairwise(times))


def ddim(
    denoise: Callable[[Tensor, int, int], Tensor],
    noise: Sequence[Tensor],
    *,
    timesteps: int,
    steps: int,
    eta: float,
    scale: float,
    state_of: Callable[[Tensor], Tensor] = lambda pose: pose,
    resting: int = 0,
) -> Iterator[Tensor]:
    """Each step's estimate of the clean pose, in metres.

    ``denoise(x_t, t, i)`` gets the clamped state in metres of step i and returns a clean pose in metres. ``noise[0]``
    is x_T and ``noise[i]`` what is added at the end of step i - 1, (B, H, ...) of unit variance. Where that has more
    hypotheses than there were, they branch. Epsilon comes from the *unclamped* state.

    ``state_of``: what is diffused of a scaled pose (..., J, 3), by default the pose itself; epsilon comes from that of
    the unclamped pose. ``resting``: of how many first joints the state stays as drawn.
    """
    alphas = alphas_cumprod(timesteps)
    limit = CLAMP * scale
    x_t = noise[0]
    for i, (time, next_time) in enumerate(ddim_pairs(timesteps, steps)):
        pose = denoise(x_t.clamp(-limit, limit) / scale, time, i) * scale
        x_0 = pose.clamp(-limit, limit)
        yield x_0 / scale
        if next_time < 0:
            return
        alpha, alpha_next = alphas[time].item(), alphas[next_time].item()
        epsilon = (x_t / math.sqrt(alpha) - state_of(pose).clamp(-limit, limit)) / math.sqrt(1 / alpha - 1)
        sigma = eta * math.sqrt((1 - alpha / alpha_next) * (1 - alpha_next) / (1 - alpha))
        keep = math.sqrt(1 - alpha_next - sigma**2)
        hypotheses = noise[i + 1].shape[1]
        moved = branched(state_of(x_0) * math.sqrt(alpha_next) + keep * epsilon, hypotheses) + sigma * noise[i + 1]
        rests = branched(x_t, hypotheses)[..., :resting, :]
        x_t = torch.cat([rests, moved[..., resting:, :]], dim=-2) if resting else moved


def branched(x: Tensor, hypotheses: int) -> Tensor:
    """(B, H, ...) as so many hypotheses, each a copy of the one that it branches from: hypothesis h of h mod H."""
    there = x.shape[1]
    return x if there == hypotheses else x[:, torch.arange(hypotheses, device=x.device) % there]
