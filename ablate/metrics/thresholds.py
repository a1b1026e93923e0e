"""The share of joints that are near enough to the truth, as MPI-INF-3DHP counts it (Mehta et al., 3DV 2017).

Distances are millimetres. Comparisons are strict, as in the dataset's own evaluation. Where truth and pose are whole
millimetres, an error may lie exactly on a threshold, and after a detour through metres, as this program's poses take
it, come out a hair below. On made-up poses full of such errors that moves PCK by up to 0.6 points and AUC by 0.06; what
a network predicts is hardly ever on a threshold.

J joints, ``...`` any leading dimensions.
"""

import torch
from torch import Tensor

NEAR_MM = 150
STEP_MM = 5  # of AUC's thresholds, which start at zero and end at NEAR_MM
_THRESHOLDS = NEAR_MM // STEP_MM + 1


def pck(error_mm_J: Tensor) -> Tensor:
    """The percentage of joints nearer than 150 mm, (..., J) -> (...)."""
    return (error_mm_J < NEAR_MM).to(error_mm_J.dtype).mean(dim=-1) * 100


def auc(error_mm_J: Tensor) -> Tensor:
    """The area under the curve of PCK, percent, (..., J) -> (...): its mean over thresholds of 0, 5, ..., 150 mm.

    An error of e lies below all thresholds but the first floor(e / 5) + 1, so nothing is below the one of zero.
    """
    above_J = _THRESHOLDS - 1 - torch.floor(error_mm_J / STEP_MM)
    return above_J.clamp_min(0).mean(dim=-1) / _THRESHOLDS * 100
