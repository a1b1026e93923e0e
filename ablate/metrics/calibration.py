"""Does the spread of the hypotheses tell how wrong their mean is? Legend: see the package; X bins.

Two answers: whether the joints that spread most err most (a rank correlation), and whether hypotheses spread as far as
they err (a ratio of sizes). The first can be had by telling easy joints from hard ones alone, the second by a constant.
"""

import math

import torch
from torch import Tensor

BINS = 64
LEAST, MOST = 1e-4, 1.0  # metres: what is smaller or larger falls into the first or the last bin


def spread(pose_HFJC: Tensor) -> Tensor:
    """The variance of each joint over its H hypotheses, (..., H, F, J, 3) -> (..., F, J), square metres.

    Summed over coordinates and unbiased (over H - 1), so that its mean does not depend on H.
    """
    return pose_HFJC.var(dim=-4).sum(dim=-1)


def spread_ratio(square_error: float, variance: float, hypotheses: int) -> float:
    """The root-mean-square error of the mean over what hypotheses' spread would lead one to expect.

    Where the truth is one more draw from what the H hypotheses were drawn from, the mean's expected square error is
    (H + 1) / H times their unbiased variance (Fortin et al., J. Hydrometeorology 15, 2014), and this is 1. Above it
    hypotheses agree more than they are right: they are overconfident. Sums (or means) of both over the same joints.
    """
    return math.sqrt(square_error / ((hypotheses + 1) / hypotheses * variance))


def bins(distance: Tensor) -> Tensor:
    """Which of BINS bins each distance (metres) falls into; its upper end is 15 % above its lower."""
    place = torch.log(distance.clamp(LEAST, MOST) / LEAST) * (BINS / math.log(MOST / LEAST))
    return place.long().clamp_max(BINS - 1)


def rank_correlation(count_XX: Tensor) -> float:
    """Spearman's correlation of two quantities, of which is known how many pairs fall into each pair of bins.

    Pairs in a bin share the mean of their ranks, as equals do. So nothing but the counts need be kept, however many
    pairs there are. NaN where one of the two is always in the same bin.
    """
    count_XX = count_XX.double()
    first_X, second_X = count_XX.sum(dim=1), count_XX.sum(dim=0)
    rank_X, other_X = (c_X.cumsum(0) - (c_X + count_XX.sum()) / 2 for c_X in (first_X, second_X))  # from the middle
    sizes = (rank_X.square() @ first_X) * (other_X.square() @ second_X)
    return float(rank_X @ count_XX @ other_X / sizes.sqrt())
