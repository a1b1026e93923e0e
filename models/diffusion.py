"""The noise schedule and the sampler, as functions of tensors for any denoiser that predicts the clean pose.

Coefficients are float64 and meet tensors only as products: in float32 the first step's ``1 - a' - sigma^2`` cancels.
Sources: cosine schedule of Nichol and Dhariwal (2021), DDIM of Song et al. (2021), clamping of D3DP (ICCV 2023).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from models.sampling import Draws

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


class State(NamedTuple):
    """Where hypotheses stand after a step: (B, H, F, J, ...), both scaled and unclamped."""

    x_t: Tensor
    pose: Tensor

    def at(self, hypotheses: slice | Tensor) -> "State":
        """Of some of them."""
        return State(self.x_t[:, hypotheses], self.pose[:, hypotheses])


@dataclass(frozen=True, kw_only=True)
class DDIM:
    """The sampler of so many ``steps``.

    ``state_of``: what is diffused of a scaled pose (..., J, 3), by default the pose itself. ``resting``: of how many
    first joints the state stays as drawn. ``draws``: what of the noise is not zero (see models/sampling.py); ``eta``
    matters where all of it is drawn.
    """

    timesteps: int
    steps: int
    eta: float
    scale: float
    state_of: Callable[[Tensor], Tensor] = lambda pose: pose
    resting: int = 0
    draws: Draws = "all"

    @property
    def times(self) -> list[int]:
        """The diffusion time of each step."""
        return [time for time, _ in ddim_pairs(self.timesteps, self.steps)]

    def step(
        self, denoise: Callable[[Tensor, int], Tensor], step: int, noise: Tensor, before: State | None
    ) -> tuple[Tensor, State]:
        """Step ``step``'s estimate of the clean pose, in metres, and the state that the next one goes on from.

        ``denoise(x_t, step)`` gets the clamped state in metres and returns a clean pose in metres. ``noise``, of unit
        variance, is x_T where nothing went ``before``, else what is added at the end of the step before.
        """
        limit = CLAMP * self.scale
        first = torch.zeros_like(noise) if self.draws == "none" else noise
        x_t = first if before is None else self._moved(before, noise, step - 1)
        state = State(x_t, denoise(x_t.clamp(-limit, limit) / self.scale, step) * self.scale)
        return state.pose.clamp(-limit, limit) / self.scale, state

    def _moved(self, state: State, noise: Tensor, step: int) -> Tensor:
        """x_t of the step after ``step``. Epsilon comes from the *unclamped* state and that of the unclamped pose."""
        limit, alphas = CLAMP * self.scale, alphas_cumprod(self.timesteps)
        alpha, alpha_next = (alphas[time].item() for time in ddim_pairs(self.timesteps, self.steps)[step])
        x_t, pose = state
        moved = self.state_of(pose.clamp(-limit, limit)) * math.sqrt(alpha_next)
        if self.draws == "all":
            epsilon = (x_t / math.sqrt(alpha) - self.state_of(pose).clamp(-limit, limit)) / math.sqrt(1 / alpha - 1)
            sigma = self.eta * math.sqrt((1 - alpha / alpha_next) * (1 - alpha_next) / (1 - alpha))
            moved = moved + math.sqrt(1 - alpha_next - sigma**2) * epsilon + sigma * noise
        rests = x_t[..., : self.resting, :]
        return torch.cat([rests, moved[..., self.resting :, :]], dim=-2) if self.resting else moved
