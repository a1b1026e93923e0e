"""What a lifter is: the one interface that training, evaluation and measuring know.

Legend: B windows, K denoising steps, H hypotheses, F frames, J = 17 joints in Human3.6M order. 2D poses are normalised
screen coordinates, 3D poses root-relative metres in camera space.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from models.config import D3DP, Elastic, Pruning
from models.cost import Cost
from models.htp import Selection

if TYPE_CHECKING:
    import numpy as np


class Lifter(nn.Module, ABC):
    """2D windows in, 3D poses out."""

    config: D3DP

    @abstractmethod
    def select(self, x2d_BFJ2: Tensor, pruning: Pruning | None = None) -> Selection | None:
        """Which frames each window keeps, from its clean 2D poses; None when nothing is pruned.

        Float64 on the CPU, then moved to the weights' device: the same on every device, for a mirrored window, and for
        all hypotheses and steps. ``pruning`` stands in for the config's own part; ``Pruning()``, no stage, is dense.
        Raises ValueError if ``pruning`` doesn't fit this lifter.
        """

    @abstractmethod
    def denoise(
        self,
        x2d_BFJ2: Tensor,
        xt_BHFJ3: Tensor,
        t_B: Tensor,
        selection: Selection | Literal["compute"] | None = "compute",
    ) -> Tensor:
        """One pass, no flip: clean poses (B, H, F, J, 3) from noisy ones at integer times ``t_B``.

        ``selection``: from ``select`` (ready indices let a pass be traced on the meta device); None prunes nothing.
        """

    @abstractmethod
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
        """Every step's estimate, (B, K, H, F, J, 3), without gradients.

        ``noise``: the draws themselves, (K, B, H, F, J, 3): [0] is x_T, [i] is added at the end of step i - 1; or a
        generator to draw them from; or None for the fixed draws of seed 0, so that equal input gives equal poses.
        Drawn noise is the same for the first of many hypotheses as for few. Raises ValueError for a wrong shape.
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
        """One training loss, a scalar in metres: the MPJPE of the clean pose predicted from one noised copy.

        Times, noise and stochastic depth are drawn from ``generator`` (on the CPU) and from nothing else. ``rows``: the
        only windows to lift, with the very draws that they have in the whole batch; so several devices can share one.
        """

    @abstractmethod
    def elastic(self, elastic: Elastic, rng: "np.random.Generator") -> Pruning:
        """What one step of elastic training prunes, for ``loss``; ``Pruning()`` in a dense step."""

    @abstractmethod
    def cost(self, *, hypotheses: int = 1, steps: int = 1, flip: bool = False, elastic: Elastic | None = None) -> Cost:
        """Compute and size in closed form."""
