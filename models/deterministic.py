"""The deterministic lifter: one pass of a network that diffuses nothing, and flip averaging.

MixSTE (Zhang et al., CVPR 2022), the parent of D3DP's denoiser, is this around the plain network.

Legend: B windows, F frames, J joints.
"""

import torch
from torch import Tensor

from models import contract
from models.branch import Branch
from models.config import MixSTE
from models.device import sent
from models.execution import BY_DEVICE, Execution, slices
from models.htp import Selection
from models.passes import Passes
from models.pruning.config import Pruning
from models.sampling import Draws, Flip

# MixSTE's weights of the joints in its own loss: limbs weigh more the further they are from the trunk.
WEIGHTS = (1, 1, 2.5, 2.5, 1, 2.5, 2.5, 1, 1, 1, 1.5, 1.5, 4, 4, 1.5, 4, 4)


class Lifter(contract.Lifter):
    """Lifts 2D poses to 3D in one pass; what each method promises stands in the contract."""

    config: MixSTE

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
        if (hypotheses, steps) != (1, 1):
            raise ValueError(f"a deterministic lifter has one hypothesis and one step, got {hypotheses} and {steps}")
        if branch is not None:
            raise ValueError("a deterministic lifter has one hypothesis and one step, so none can branch")
        if draws != "all":
            raise ValueError(f"a deterministic lifter draws nothing, so there is nothing to leave out, got {draws}")
        nothing_BHFJ0 = self._noise(x2d_BFJ2, hypotheses, steps, noise)[0]
        selection, windows = self.select(x2d_BFJ2), len(x2d_BFJ2)
        cut = execution.cut(self.config, x2d_BFJ2.device.type, windows, 1, flip=flip is not False)
        x0_BHFJ3 = x2d_BFJ2.new_empty(windows, 1, *x2d_BFJ2.shape[1:3], 3)
        for some in slices(windows, cut.windows):
            chosen = None if selection is None else selection.of(some)
            passes = Passes(
                self.denoiser,
                x2d_BFJ2[some],
                [chosen],
                flip=flip is not False,
                together=cut.together,
                execution=execution,
            )
            x0_BHFJ3[some] = passes(nothing_BHFJ0[some], None, 0, flip=flip is not False)
        return x0_BHFJ3[:, None]

    def loss(
        self,
        x2d_BFJ2: Tensor,
        x3d_BFJ3: Tensor,
        *,
        generator: torch.Generator,
        pruning: Pruning | None = None,
        rows: slice = slice(None),
    ) -> Tensor:
        keep_LBS = self.denoiser.drop_path(len(x3d_BFJ3), generator) if self.training else None
        if keep_LBS is not None:
            keep_LBS = keep_LBS[:, rows]
        x2d_BFJ2, x3d_BFJ3 = x2d_BFJ2[rows], x3d_BFJ3[rows]
        return self.loss_at(x2d_BFJ2, x3d_BFJ3, self.select(x2d_BFJ2, pruning), keep_LBS)

    def loss_at(
        self, x2d_BFJ2: Tensor, x3d_BFJ3: Tensor, selection: Selection | None, keep_LBS: Tensor | None = None
    ) -> Tensor:
        """``loss`` with its draws given: stochastic depth's factors (None: none)."""
        device = self.denoiser.head.weight.device
        x2d_BFJ2, x3d_BFJ3 = sent(x2d_BFJ2, device), sent(x3d_BFJ3, device)
        keep_LBS = None if keep_LBS is None else sent(keep_LBS, device)
        nothing_BHFJ0 = x2d_BFJ2.new_empty(len(x2d_BFJ2), 1, *x2d_BFJ2.shape[1:3], 0)
        t_B = torch.zeros(len(x2d_BFJ2), dtype=torch.int64, device=x2d_BFJ2.device)
        x0_BFJ3: Tensor = self.denoiser(x2d_BFJ2, nothing_BHFJ0, t_B, selection, keep_LBS)[:, 0]
        return mixste_loss(x0_BFJ3, x3d_BFJ3) if self.config.loss == "mixste" else _distance(x0_BFJ3, x3d_BFJ3).mean()


def mixste_loss(x0_BFJ3: Tensor, x3d_BFJ3: Tensor) -> Tensor:
    """MixSTE's own training loss: the weighted MPJPE + 0.5 x the weighted squares of the prediction's own jumps from
    frame to frame + 2 x the mean error of these jumps."""
    weight_J = sent(torch.tensor(WEIGHTS, dtype=x0_BFJ3.dtype), x0_BFJ3.device)
    jump_BFJ3, moved_BFJ3 = x0_BFJ3.diff(dim=1), x3d_BFJ3.diff(dim=1)
    position = (weight_J * _distance(x0_BFJ3, x3d_BFJ3)).mean()
    smoothness = (weight_J[:, None] * jump_BFJ3.square()).mean()
    return position + 0.5 * smoothness + 2 * _distance(jump_BFJ3, moved_BFJ3).mean()


def _distance(x_BFJ3: Tensor, y_BFJ3: Tensor) -> Tensor:
    distance_BFJ: Tensor = torch.linalg.vector_norm(x_BFJ3 - y_BFJ3, dim=-1)
    return distance_BFJ
