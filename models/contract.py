"""What a lifter is: the one interface that training, evaluation and measuring know.

Legend: B windows, K denoising steps, H hypotheses, F frames, J = 17 joints in Human3.6M order, A values of a joint that
are diffused. 2D poses are normalised screen coordinates, 3D poses root-relative metres in camera space.
"""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn

import models
from models.branch import Branch
from models.config import JOINTS, Host
from models.cost import Cost
from models.execution import BY_DEVICE, Execution
from models.htp import Selection, scheduled, select
from models.layers import Block
from models.mixste import MixSTE
from models.pruning.config import Pruning
from models.pruning.elastic import Elastic, draw
from models.sampling import Draws, Flip

if TYPE_CHECKING:
    import numpy as np


class Lifter(nn.Module, ABC):
    """2D windows in, 3D poses out."""

    network: ClassVar[type[MixSTE]] = MixSTE

    def __init__(self, config: Host) -> None:
        super().__init__()
        self.config = config
        self.denoiser = self.network(config)

    @property
    def channels(self) -> int:
        """A: how many values of each joint are diffused, and so drawn as noise; 0 where the lifter is deterministic."""
        return self.config.channels

    def select(self, x2d_BFJ2: Tensor, pruning: Pruning | None = None) -> Selection | None:
        """Which frames each window keeps, from its clean 2D poses; None when nothing is pruned.

        Float64 on the CPU, then moved to the weights' device: the same on every device, for a mirrored window, and for
        all hypotheses. Counts are the configured ones, whatever a schedule makes of them in each step. What a policy
        chooses by tokens is left open, each pass decides it. ``pruning`` stands in for the config's own part;
        ``Pruning()``, no stage, is dense.
        Raises ValueError if ``pruning`` doesn't fit this lifter.
        """
        if pruning is not None:
            self._check(pruning)
        else:
            pruning = self.config.pruning
        if pruning is None:
            return None
        selection = select(x2d_BFJ2, pruning)
        return None if selection is None else selection.to(self.denoiser.head.weight.device)

    def scheduled(self, x2d_BFJ2: Tensor, steps: int) -> tuple[Selection | None, ...]:
        """As ``select`` does by the config, for each of ``steps`` denoising steps, as the pruning's schedule says."""
        pruning = self.config.pruning
        if pruning is None:
            return (None,) * steps
        return scheduled(x2d_BFJ2, pruning, steps, self.denoiser.head.weight.device)

    def denoise(
        self,
        x2d_BFJ2: Tensor,
        xt_BHFJA: Tensor,
        t_B: Tensor,
        selection: Selection | Literal["compute"] | None = "compute",
    ) -> Tensor:
        """One pass, no flip: clean poses (B, H, F, J, 3) from noisy states at integer times ``t_B``.

        A deterministic lifter has nothing to denoise: A is 0, and the time does not matter.
        ``selection``: from ``select`` (ready indices let a pass be traced on the meta device); None prunes nothing.
        """
        if selection == "compute":
            selection = self.select(x2d_BFJ2)
        x0_BHFJ3: Tensor = self.denoiser(x2d_BFJ2, xt_BHFJA, t_B, selection)
        return x0_BHFJ3

    @abstractmethod
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
        """Every step's estimate, (B, K, H, F, J, 3), without gradients.

        ``flip``: average with the mirrored window in every step, in the last one, or in none. ``draws``: what of the
        noise is drawn, all of it, x_T, or nothing: the rest stands at its mean.

        ``noise``: the draws themselves, (K, B, H, F, J, A): [0] is x_T, [i] is added at the end of step i - 1; or a
        generator to draw them from; or None for the fixed draws of seed 0, so that equal input gives equal poses.
        Drawn noise is the same for the first of many hypotheses as for few. ``branch``: the first steps run with fewer
        hypotheses, and each estimate of theirs stands for all that branch from it. ``execution``: how fast, in how much
        memory; beside draws and results it grows with neither H nor K. Raises ValueError for a wrong shape, draws,
        branch or execution that doesn't fit, and for more than one hypothesis or step of a deterministic lifter.
        """

    @abstractmethod
    def loss(
        self,
        x2d_BFJ2: Tensor,
        x3d_BFJ3: Tensor,
        *,
        generator: torch.Generator,
        pruning: Pruning | None = None,
        rows: slice = slice(None),
    ) -> Tensor:
        """One training loss, a scalar in metres: by default the MPJPE of the clean pose predicted from one noised copy.

        Times, noise and stochastic depth are drawn from ``generator`` (on the CPU) and from nothing else. Poses may lie
        on the CPU, and had better: there it is found without waiting what to prune, before they go to the weights'
        device. ``rows``: the only windows to lift, with the very draws that they have in the whole batch; so several
        devices can share one, and one can take it in parts. A host of ``whole_batch`` can't be trained so, and raises
        ValueError.
        """

    def recompute(self, on: bool = True) -> None:
        """Whether a training loss keeps only what goes into each block for its backward pass, which then computes the
        rest once more: less memory, about a third more compute, the same gradients."""
        for module in self.modules():
            if isinstance(module, Block):
                module.recompute = on

    def elastic(self, elastic: Elastic, rng: "np.random.Generator") -> Pruning:
        """What one step of elastic training prunes, for ``loss``; ``Pruning()`` in a dense step.

        Raises ValueError where the weights serve one count alone.
        """
        if self.denoiser.place_embedding is not None:
            raise ValueError("tcep.embed_places: places are learned for one count, so no other can be drawn")
        if self.config.pruning is None:
            return Pruning()
        return draw(self.config.pruning, elastic, self.config.frames, rng)

    def cost(
        self,
        *,
        hypotheses: int = 1,
        steps: int = 1,
        flip: Flip = False,
        elastic: Elastic | None = None,
        branch: Branch | None = None,
    ) -> Cost:
        """Compute and size in closed form."""
        return models.cost(self.config, hypotheses=hypotheses, steps=steps, flip=flip, elastic=elastic, branch=branch)

    def _noise(self, x2d_BFJ2: Tensor, hypotheses: int, steps: int, noise: torch.Generator | Tensor | None) -> Tensor:
        """The draws of ``lift``, checked, on the device and in the dtype of the poses."""
        shape = (steps, len(x2d_BFJ2), hypotheses, self.config.frames, JOINTS, self.channels)
        if not isinstance(noise, Tensor):
            noise = _draw_noise(noise, shape)
        if noise.shape != shape:
            raise ValueError(f"noise must be (K, B, H, F, J, {self.channels}) = {shape}, got {tuple(noise.shape)}")
        return noise.to(x2d_BFJ2)

    def _check(self, pruning: Pruning) -> None:
        problems = [f"{'.'.join(at)}: {text}" for at, text in replace(self.config, pruning=pruning).problems()]
        own = self.config.pruning or Pruning()
        if pruning.recovers_by_attention and not (own.recovers_by_attention and own.recovery == pruning.recovery):
            problems.append(f"pruning.recovery.kind: this lifter has no weights for {pruning.recovery.kind}")
        places, learned = pruning.places(self.config.frames), self.denoiser.place_embedding
        if places and (learned is None or len(learned) != places):
            problems.append(f"pruning.tcep.embed_places: this lifter has no weights for the places of {places} frames")
        if problems:
            raise ValueError("\n".join(problems))


def _draw_noise(generator: torch.Generator | None, shape: tuple[int, ...]) -> Tensor:
    """(K, B, H, ...): hypothesis by hypothesis, so that the first of many are those of a run with fewer."""
    if generator is None:
        generator = torch.Generator().manual_seed(0)
    steps, windows, hypotheses, *pose = shape
    noise = torch.empty(shape, device=generator.device)
    for hypothesis in range(hypotheses):
        noise[:, :, hypothesis] = torch.randn(steps, windows, *pose, generator=generator, device=generator.device)
    return noise
