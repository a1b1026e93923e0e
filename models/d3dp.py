"""D3DP (Shan et al., ICCV 2023): a diffusion lifter = denoiser + schedule + hypotheses + flip averaging.

Legend: B windows, K denoising steps, H hypotheses, F frames, J joints.
"""

import torch
from torch import Tensor

from models import contract
from models.config import D3DP
from models.diffusion import CLAMP, ddim, q_sample
from models.htp import Selection
from models.mirror import mirror
from models.pruning.config import Pruning


class Lifter(contract.Lifter):
    """Lifts 2D poses to 3D by denoising; what each method promises stands in the contract."""

    config: D3DP

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
        noise_KBHFJ3 = self._noise(x2d_BFJ2, hypotheses, steps, noise)
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
