"""D3DP (Shan et al., ICCV 2023): a diffusion lifter = denoiser + schedule + hypotheses + flip averaging.

Legend: B windows, K denoising steps, H hypotheses, F frames, J joints, A values of a joint that are diffused.
"""

from typing import ClassVar

import torch
from torch import Tensor

from models import contract
from models.branch import Branch, running
from models.config import D3DP
from models.diffusion import CLAMP, branched, ddim, q_sample
from models.htp import Selection
from models.mirror import mirror
from models.pruning.config import Pruning


class Lifter(contract.Lifter):
    """Lifts 2D poses to 3D by denoising; what each method promises stands in the contract."""

    config: D3DP
    resting: ClassVar[int] = 0  # of how many first joints sampling leaves the state as drawn

    def state_of(self, x_J3: Tensor) -> Tensor:
        """(..., J, A): what is diffused of poses (..., J, 3), both in metres x scale."""
        return x_J3

    def error(self, x0_BFJ3: Tensor, x3d_BFJ3: Tensor) -> Tensor:
        """What estimated poses lose against the true ones: the MPJPE."""
        distance_BFJ: Tensor = torch.linalg.vector_norm(x0_BFJ3 - x3d_BFJ3, dim=-1)
        return distance_BFJ.mean()

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
        branch: Branch | None = None,
    ) -> Tensor:
        config = self.config
        if branch and (problems := [f"{'.'.join(at)}: {text}" for at, text in branch.problems(hypotheses, steps, eta)]):
            raise ValueError("\n".join(problems))
        noise_KBHFJA = self._noise(x2d_BFJ2, hypotheses, steps, noise)
        selections = self.scheduled(x2d_BFJ2, steps)
        mirrored_BFJ2 = mirror(x2d_BFJ2)

        def estimate(x_t: Tensor, t: int, step: int) -> Tensor:
            t_B, selection = torch.full((len(x_t),), t, device=x_t.device), selections[step]
            x_0 = self.denoise(x2d_BFJ2, x_t, t_B, selection)
            if not flip:
                return x_0
            return (x_0 + mirror(self.denoise(mirrored_BFJ2, mirror(x_t), t_B, selection))) / 2

        # on a CPU one hypothesis at a time stays in the cache; elsewhere all go through at once
        chunk = 1 if x2d_BFJ2.device.type == "cpu" else hypotheses

        def by_chunks(xt_BHFJA: Tensor, t: int, step: int) -> Tensor:
            return torch.cat([estimate(x_t, t, step) for x_t in torch.split(xt_BHFJA, chunk, dim=1)], dim=1)

        estimates = ddim(
            by_chunks,
            [part[:, :count] for part, count in zip(noise_KBHFJA, running(branch, hypotheses, steps), strict=True)],
            timesteps=config.timesteps,
            steps=steps,
            eta=eta,
            scale=config.scale,
            state_of=self.state_of,
            resting=self.resting,
        )
        return torch.stack([branched(x_0, hypotheses) for x_0 in estimates], dim=1)

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
        noise_BFJA = torch.randn((*x3d_BFJ3.shape[:-1], self.channels), generator=generator)
        keep_LBS = self.denoiser.drop_path(windows, generator) if self.training else None
        if keep_LBS is not None:
            keep_LBS = keep_LBS[:, rows]
        x2d_BFJ2, x3d_BFJ3 = x2d_BFJ2[rows], x3d_BFJ3[rows]
        selection = self.select(x2d_BFJ2, pruning)
        return self.loss_at(x2d_BFJ2, x3d_BFJ3, t_B[rows], noise_BFJA[rows], selection, keep_LBS)

    def loss_at(
        self,
        x2d_BFJ2: Tensor,
        x3d_BFJ3: Tensor,
        t_B: Tensor,
        noise_BFJA: Tensor,
        selection: Selection | None,
        keep_LBS: Tensor | None = None,
    ) -> Tensor:
        """``loss`` with its draws given: times, noise, and stochastic depth's factors (None: none)."""
        scale = self.config.scale
        xt_BFJA = q_sample(self.state_of(x3d_BFJ3 * scale), noise_BFJA.to(x3d_BFJ3), t_B, self.config.timesteps)
        xt_BFJA = xt_BFJA.clamp(-CLAMP * scale, CLAMP * scale) / scale
        t_B = t_B.to(x2d_BFJ2.device)
        return self.error(self.denoiser(x2d_BFJ2, xt_BFJA[:, None], t_B, selection, keep_LBS)[:, 0], x3d_BFJ3)
