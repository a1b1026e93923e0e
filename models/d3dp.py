"""D3DP (Shan et al., ICCV 2023): a diffusion lifter = denoiser + schedule + hypotheses + flip averaging.

Legend: B windows, K denoising steps, H hypotheses, F frames, J joints, A values of a joint that are diffused.
"""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from models import contract
from models.branch import Branch
from models.config import D3DP
from models.device import sent
from models.diffusion import CLAMP, DDIM, State, q_sample
from models.execution import BY_DEVICE, Execution, slices
from models.htp import Selection
from models.passes import Passes
from models.pruning.config import Pruning
from models.sampling import Draws, Flip, draws_problems, flips


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
        flip: Flip = True,
        draws: Draws = "all",
        eta: float = 1.0,
        noise: torch.Generator | Tensor | None = None,
        branch: Branch | None = None,
        execution: Execution = BY_DEVICE,
    ) -> Tensor:
        problems = [*draws_problems(draws, hypotheses, branch)]
        problems += branch.problems(hypotheses, steps, eta) if branch else []
        if problems:
            raise ValueError("\n".join(f"{'.'.join(at)}: {text}" for at, text in problems))
        config, device, windows = self.config, x2d_BFJ2.device, len(x2d_BFJ2)
        noise_KBHFJA = self._noise(x2d_BFJ2, hypotheses, steps, noise)
        cut = execution.cut(config, device.type, windows, hypotheses, flip=flip is not False)
        sampler = DDIM(
            timesteps=config.timesteps,
            steps=steps,
            eta=eta,
            scale=config.scale,
            state_of=self.state_of,
            resting=self.resting,
            draws=draws,
        )
        flips_K = flips(flip, steps)
        time_KC = self.denoiser.at(torch.tensor(sampler.times, device=device))
        assert time_KC is not None  # a diffusion lifter has a time
        selections = self.scheduled(x2d_BFJ2, steps)
        x0_BKHFJ3 = x2d_BFJ2.new_empty(windows, steps, hypotheses, *x2d_BFJ2.shape[1:3], 3)
        for some in slices(windows, cut.windows):
            chosen = [None if selection is None else selection.of(some) for selection in selections]
            passes = Passes(
                self.denoiser,
                x2d_BFJ2[some],
                chosen,
                flip=flip is not False,
                together=cut.together,
                execution=execution,
            )

            def estimate(x_t: Tensor, step: int, passes: Passes = passes) -> Tensor:
                return passes(x_t, time_KC[step : step + 1], step, flip=flips_K[step])

            sampled(sampler, estimate, noise_KBHFJA[:, some], x0_BKHFJ3[some], branch, cut.hypotheses)
        return x0_BKHFJ3

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
        scale, device = self.config.scale, self.denoiser.head.weight.device
        xt_BFJA = q_sample(self.state_of(x3d_BFJ3 * scale), noise_BFJA.to(x3d_BFJ3), t_B, self.config.timesteps)
        xt_BFJA = xt_BFJA.clamp(-CLAMP * scale, CLAMP * scale) / scale
        x2d_BFJ2, x3d_BFJ3, xt_BFJA, t_B = (sent(each, device) for each in (x2d_BFJ2, x3d_BFJ3, xt_BFJA, t_B))
        keep_LBS = None if keep_LBS is None else sent(keep_LBS, device)
        return self.error(self.denoiser(x2d_BFJ2, xt_BFJA[:, None], t_B, selection, keep_LBS)[:, 0], x3d_BFJ3)


def sampled(
    sampler: DDIM,
    denoise: Callable[[Tensor, int], Tensor],
    noise_KBHFJA: Tensor,
    x0_BKHFJ3: Tensor,
    branch: Branch | None,
    at_once: int,
) -> None:
    """Writes every estimate of all hypotheses into ``x0_BKHFJ3``: ``at_once`` of them go through all steps, then the
    next. What branches off goes on from the state of the hypotheses that it branches from, before any other begins."""
    steps, hypotheses = x0_BKHFJ3.shape[1:3]
    first, shared = (branch.start, branch.at_step) if branch else (hypotheses, steps)

    def walk(some: slice | Tensor, steps: range, state: State | None = None) -> State | None:
        for step in steps:
            x_0, state = sampler.step(denoise, step, noise_KBHFJA[step][:, some], state)
            x0_BKHFJ3[:, step, some] = x_0
        return state

    for own in slices(first, at_once):
        state = walk(own, range(shared))
        if state is None or shared == steps:
            continue
        branches = torch.arange(hypotheses, device=noise_KBHFJA.device)
        branches = branches[(branches % first >= own.start) & (branches % first < own.stop)]
        for some in torch.split(branches, at_once):
            walk(some, range(shared, steps), state.at(some % first - own.start))
    for hypothesis in range(first, hypotheses):
        x0_BKHFJ3[:, :shared, hypothesis] = x0_BKHFJ3[:, :shared, hypothesis % first]
