"""Does the spread of the hypotheses predict the error of their mean? Kept as counts and sums, whatever a split holds.

Legend: B windows of a batch, H hypotheses, F frames, J joints, A actions, X bins.
"""

import torch
from torch import Tensor

from ablate import metrics
from ablate.evaluate.scores import Seen
from ablate.metrics.calibration import BINS


class Calibration:
    """Every counted joint but the root, which is where it is by definition, after the last step; for each action."""

    def __init__(self, actions: int, hypotheses: int) -> None:
        self._hypotheses = hypotheses
        self._count_AXX = torch.zeros(actions, BINS, BINS, dtype=torch.int64)
        self._square_A = torch.zeros(actions, dtype=torch.float64)
        self._variance_A = torch.zeros(actions, dtype=torch.float64)

    def add(self, pose_BHFJ3: Tensor, seen: Seen, counted_BF: Tensor, action_B: Tensor) -> None:
        """Count a batch of windows."""
        error_BFJ = metrics.joint_errors(pose_BHFJ3.mean(dim=1), seen.truth_BFJ3)[..., 1:]
        variance_BFJ = metrics.spread(pose_BHFJ3)[..., 1:]
        action_N = action_B.to(counted_BF.device)[:, None].expand_as(counted_BF)[counted_BF]
        error_NJ, variance_NJ = error_BFJ[counted_BF], variance_BFJ[counted_BF]
        place_NJ = (action_N[:, None] * BINS + metrics.bins(variance_NJ.sqrt())) * BINS + metrics.bins(error_NJ)
        size = self._count_AXX.numel()
        self._count_AXX += torch.bincount(place_NJ.flatten(), minlength=size).cpu().view_as(self._count_AXX)
        action_N = action_N.cpu()
        self._square_A.index_add_(0, action_N, error_NJ.double().square().sum(dim=1).cpu())
        self._variance_A.index_add_(0, action_N, variance_NJ.double().sum(dim=1).cpu())

    def numbers(self, actions: list[int]) -> dict[str, float]:
        """The rank correlation and the ratio over these actions together; a number that there isn't is left out."""
        found = {}
        correlation = metrics.rank_correlation(self._count_AXX[actions].sum(dim=0))
        if correlation == correlation:
            found["spread_correlation"] = correlation
        variance = float(self._variance_A[actions].sum())
        if variance > 0:
            found["spread_ratio"] = metrics.spread_ratio(
                float(self._square_A[actions].sum()), variance, self._hypotheses
            )
        return found
