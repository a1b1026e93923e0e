"""D3DP (Shan et al., ICCV 2023): a diffusion lifter = denoiser + schedule + hypotheses + flip averaging.

Legend: B windows, K denoising steps, H hypotheses, F frames, J joints.
"""

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

import models
from models import contract
from models.config import D3DP, JOINTS, LEFT, RIGHT, Elastic, Pruning
from models.cost import Cost
from models.diffusion import CLAMP, ddim, q_sample
from models.htp import Selection, select
from models.mixste import MixSTE
from models.pruning.elastic import draw

if TYPE_CHECKING:
    import numpy as np

_SWAP = dict(zip(LEFT + RIGHT, RIGHT + LEFT, strict=True))
MIRROR = tuple(_SWAP.get(j, j) for j in range(JOINTS))


def mirror(x_J: Tensor) -> Tensor:
    """Mirrored poses (..., J, 2 or 3): x negated, left and right joints exchanged."""
    sign = torch.ones(x_J.shape[-1], dtype=x_J.dtype, device=x_J.device)
    sign[0] = -1
    return x_J[..., MIRROR, :] * sign


class Lifter(contract.Lifter):
    """Lifts 2D poses to 3D by denoising; what each method promises stands in the contract."""

    def __init__(self, config: D3DP) -> None:
        super().__init__()
        self.config = config
        self.denoiser = MixSTE(config)

    def select(self, x2d_BFJ2: Tensor, pruning: Pruning | None = None) -> Selection | None:
        if pruning is not None:
            self._check(pruning)
        else:
            pruning = self.config.pruning
        if pruning is None:
            return None
        selection = select(x2d_BFJ2, pruning)
        return None if selection is None else selection.to(self.denoiser.head.weight.device)

    def denoise(
        self,
        x2d_BFJ2: Tensor,
        xt_BHFJ3: Tensor,
        t_B: Tensor,
        selection: Selection | Literal["compute"] | None = "compute",
    ) -> Tensor:
        if selection == "compute":
            selection = self.select(x2d_BFJ2)
        x0_BHFJ3: Tensor = self.denoiser(x2d_BFJ2, xt_BHFJ3, t_B, selection)
        return x0_BHFJ3

    @torch.no_grad()
    def lift(
        self,
        x2d_BFJ2: Tensor,
        *,
        hypotheses: int = 1,
        steps: int = 1,
        flip: bool = True,
        eta: float = 1.0,
        noise: torch.Generator | Tensor | None = None,
    ) -> Tensor:
        config = self.config
        shape = (steps, len(x2d_BFJ2), hypotheses, config.frames, JOINTS, 3)
        if not isinstance(noise, Tensor):
            noise = _draw_noise(noise, shape)
        if noise.shape != shape:
            raise ValueError(f"noise must be (K, B, H, F, J, 3) = {shape}, got {tuple(noise.shape)}")
        noise_KBHFJ3 = noise.to(x2d_BFJ2)
        selection = self.select(x2d_BFJ2)
        mirrored_BFJ2 = mirror(x2d_BFJ2)

        def estimate(x_t: Tensor, t: int) -> Tensor:
            t_B = torch.full((len(x_t),), t, device=x_t.device)
            x_0 = self.denoise(x2d_BFJ2, x_t, t_B, selection)
            if not flip:
                return x_0
            return (x_0 + mirror(self.denoise(mirrored_BFJ2, mirror(x_t), t_B, selection))) / 2

        # on a CPU one hypothesis at a time stays in the cache; elsewhere all go through at once
        chunk = 1 if x2d_BFJ2.device.type == "cpu" else hypotheses
        parts = []
        for part in torch.split(noise_KBHFJ3, chunk, dim=2):
            estimates = ddim(estimate, list(part), timesteps=config.timesteps, steps=steps, eta=eta, scale=config.scale)
            parts.append(torch.stack(list(estimates), dim=1))
        return torch.cat(parts, dim=2)

    def loss(
        self,
        x2d_BFJ2: Tensor,
        x3d_BFJ3: Tensor,
        *,
        generator: torch.Generator,
        pruning: Pruning | None = None,
        rows: slice = slice(None),
    ) -> Tensor:
        windows = len(x3d_BFJ3)
        t_B = torch.randint(0, self.config.timesteps, (windows,), generator=generator)
        noise_BFJ3 = torch.randn(x3d_BFJ3.shape, generator=generator)
        keep_LBS = self.denoiser.drop_path(windows, generator) if self.training else None
        if keep_LBS is not None:
            keep_LBS = keep_LBS[:, rows]
        x2d_BFJ2, x3d_BFJ3 = x2d_BFJ2[rows], x3d_BFJ3[rows]
        selection = self.select(x2d_BFJ2, pruning)
        return self.loss_at(x2d_BFJ2, x3d_BFJ3, t_B[rows], noise_BFJ3[rows], selection, keep_LBS)

    def loss_at(
        self,
        x2d_BFJ2: Tensor,
        x3d_BFJ3: Tensor,
        t_B: Tensor,
        noise_BFJ3: Tensor,
        selection: Selection | None,
        keep_LBS: Tensor | None = None,
    ) -> Tensor:
        """``loss`` with its draws given: times, noise, and stochastic depth's factors (None: none)."""
        scale = self.config.scale
        xt_BFJ3 = q_sample(x3d_BFJ3 * scale, noise_BFJ3.to(x3d_BFJ3), t_B, self.config.timesteps)
        xt_BFJ3 = xt_BFJ3.clamp(-CLAMP * scale, CLAMP * scale) / scale
        t_B = t_B.to(x2d_BFJ2.device)
        x0_BFJ3: Tensor = self.denoiser(x2d_BFJ2, xt_BFJ3[:, None], t_B, selection, keep_LBS)[:, 0]
        distance_BFJ: Tensor = torch.linalg.vector_norm(x0_BFJ3 - x3d_BFJ3, dim=-1)
        return distance_BFJ.mean()

    def elastic(self, elastic: Elastic, rng: "np.random.Generator") -> Pruning:
        if self.config.pruning is None:
            return Pruning()
        return draw(self.config.pruning, elastic, self.config.frames, rng)

    def cost(self, *, hypotheses: int = 1, steps: int = 1, flip: bool = False, elastic: Elastic | None = None) -> Cost:
        return models.cost(self.config, hypotheses=hypotheses, steps=steps, flip=flip, elastic=elastic)

    def _check(self, pruning: Pruning) -> None:
        problems = [f"{'.'.join(at)}: {text}" for at, text in pruning.problems(self.config.frames, self.config.depth)]
        if pruning.recovers_by_attention and self.denoiser.recover is None:
            problems.append("recovery.kind: this lifter has no weights for cross_attention")
        if problems:
            raise ValueError("\n".join(problems))


def _draw_noise(generator: torch.Generator | None, shape: tuple[int, ...]) -> Tensor:
    """(K, B, H, ...): hypothesis by hypothesis, so that the first of many are those of a run with fewer."""
    if generator is None:
        generator = torch.Generator().manual_seed(0)
    steps, windows, hypotheses, *pose = shape
    draws = [
        torch.randn(steps, windows, *pose, generator=generator, device=generator.device) for _ in range(hypotheses)
    ]
    return torch.stack(draws, dim=2)
