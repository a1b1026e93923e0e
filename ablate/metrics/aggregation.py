"""How several hypotheses become one pose sequence: by choosing among them, or by averaging. Legend: see the package.

What needs the ground truth is an oracle: a bound on what choosing could reach, never a result that one can deploy.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from ablate.metrics.alignment import align
from ablate.metrics.distances import joint_errors, mpjpe, mpjve, p_mpjpe

Aggregation = Literal[
    "mean",
    "jpma",
    "geometric_median",
    "reprojection_weighted",
    "jpma_true_root",
    "p_best",
    "p_best_batch",
    "j_best",
]
Root = Literal["estimated", "true"]

AGGREGATIONS: tuple[Aggregation, ...] = (
    "mean",
    "jpma",
    "geometric_median",
    "reprojection_weighted",
    "jpma_true_root",
    "p_best",
    "p_best_batch",
    "j_best",
)
"""In the order of every table: what can be deployed first."""

ORACLES: frozenset[str] = frozenset({"jpma_true_root", "p_best", "p_best_batch", "j_best"})
"""Aggregations that look at the ground truth."""

BY_REPROJECTION: Mapping[Aggregation, Root] = {
    "jpma": "estimated",
    "reprojection_weighted": "estimated",
    "jpma_true_root": "true",
}
"""Aggregations that look at the input 2D, and so need the camera; and where the root is while they do."""

CHOOSERS: frozenset[str] = frozenset({"jpma", "jpma_true_root", "p_best", "j_best"})

TEMPERATURE = 0.005
"""Of ``reprojection_weighted``, in screen units: two and a half pixels of a picture 1000 wide, half of what a detector
errs by. Lower ones follow the detector's errors, higher ones come near the plain mean."""

WEISZFELD = 20
"""Rounds of ``geometric_median``: on a lifter's hypotheses the MPJPE is then within 0.01 mm of that after 2000."""

NOTHING: Mapping[Root, Tensor] = {}


def aggregate(
    pose_HFJC: Tensor, truth_FJC: Tensor, aggregation: Aggregation, reprojection: Mapping[Root, Tensor] = NOTHING
) -> Tensor:
    """One pose sequence out of H hypotheses, (..., H, F, J, 3) and (..., F, J, 3) -> (..., F, J, 3).

    ``mean`` averages the hypotheses (P-Agg of D3DP), ``geometric_median`` and ``reprojection_weighted`` do so in their
    own ways (see there). ``jpma`` takes, for each joint of each frame, the hypothesis whose reprojection is nearest to
    the input (JPMA of D3DP, there J-Agg), the root being where the mean pose reprojects best; ``jpma_true_root`` has it
    where it truly is, as the reference program does. ``p_best`` takes, frame by frame, the hypothesis whose pose is
    nearest to the truth, ``j_best`` does so for each joint (P-Best and J-Best of D3DP). The last three are oracles.
    ``p_best_batch`` is no matter of single windows: ``best_of_batch`` chooses for many at once.

    ``reprojection``: for each place of the root the distances (..., H, F, J) from the 2D input, in screen units.
    """
    if aggregation == "mean":
        return pose_HFJC.mean(dim=-4)
    if aggregation == "geometric_median":
        return geometric_median(pose_HFJC)
    if aggregation == "reprojection_weighted":
        return reprojection_weighted(pose_HFJC, reprojection["estimated"])
    if aggregation in BY_REPROJECTION:
        return pick(pose_HFJC, reprojection[BY_REPROJECTION[aggregation]])
    errors_HFJ = joint_errors(pose_HFJC, truth_FJC.unsqueeze(-4))
    if aggregation == "p_best":
        errors_HFJ = errors_HFJ.mean(dim=-1, keepdim=True).expand_as(errors_HFJ)
    return pick(pose_HFJC, errors_HFJ)


def pick(pose_HFJC: Tensor, distance_HFJ: Tensor) -> Tensor:
    """For each joint of each frame the hypothesis of least distance, the first of equals, (..., F, J, 3)."""
    best_1FJ1 = distance_HFJ.argmin(dim=-3, keepdim=True).unsqueeze(-1)
    return pose_HFJC.take_along_dim(best_1FJ1, dim=-4).squeeze(-4)


def geometric_median(pose_HFJC: Tensor, rounds: int = WEISZFELD) -> Tensor:
    """The point whose distances from a joint's H hypotheses add up to the least, (..., H, F, J, 3) -> (..., F, J, 3).

    A hypothesis far from the others pulls at the mean by how far it is, at this only by its direction. Weiszfeld's
    iteration from the mean, a fixed number of rounds, so that the same poses give the same result on any device in any
    batch; distances below a micrometre count as one, since a hypothesis that is the median itself would weigh without
    bound. Two hypotheses have no median but the points between them: theirs is the mean.
    """
    median_FJC = pose_HFJC.mean(dim=-4)
    for _ in range(rounds):
        weight_HFJ1 = 1 / joint_errors(pose_HFJC, median_FJC.unsqueeze(-4)).clamp_min(1e-6).unsqueeze(-1)
        median_FJC = (pose_HFJC * weight_HFJ1).sum(dim=-4) / weight_HFJ1.sum(dim=-4)
    return median_FJC


def reprojection_weighted(pose_HFJC: Tensor, distance_HFJ: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """The mean of a joint's hypotheses, each weighing exp(-distance / temperature), (..., F, J, 3).

    At temperature zero it is JPMA, at a high one the mean. ``distance_HFJ`` and ``temperature`` are in screen units.
    """
    weight_HFJ1 = torch.softmax(-distance_HFJ / temperature, dim=-3).unsqueeze(-1)
    return (pose_HFJC * weight_HFJ1).sum(dim=-4)


def best_of_batch(errors_WH: Tensor, batch_W: Tensor) -> Tensor:
    """The one hypothesis (W,) of each batch of windows that is nearest to the truth: P-Best as D3DP picks it.

    ``errors_WH`` are sums over each window's frames, ``batch_W`` counts batches from 0 and says which one a window is
    of. What it gives moves with the batches' size: one hypothesis has to do for more the larger they are.
    """
    total_GH = errors_WH.new_zeros(int(batch_W.max()) + 1, errors_WH.shape[1]).index_add_(0, batch_W, errors_WH)
    return total_GH.argmin(dim=1)[batch_W]


def errors(
    pose_HFJC: Tensor,
    truth_FJC: Tensor,
    aggregations: Sequence[Aggregation],
    *,
    aligned_HFJC: Tensor | None = None,
    reprojection: Mapping[Root, Tensor] = NOTHING,
) -> dict[tuple[str, Aggregation], Tensor]:
    """Each metric under each aggregation, (..., H, F, J, 3) and (..., F, J, 3) -> (..., F), or (..., F - 1) for mpjve.

    P-MPJPE is as in D3DP: what chooses, takes from hypotheses that have each been aligned (``aligned_HFJC``, where the
    caller has them already), an oracle choosing anew by their errors and ``jpma`` by the same reprojection; what
    averages, has its pose aligned. MPJVE is the velocity error of the sequence chosen by position: its jumps between
    hypotheses count.
    """
    found: dict[tuple[str, Aggregation], Tensor] = {}
    if aligned_HFJC is None and not CHOOSERS.isdisjoint(aggregations):
        aligned_HFJC = align(pose_HFJC, truth_FJC.unsqueeze(-4))
    for aggregation in aggregations:
        pose_FJC = aggregate(pose_HFJC, truth_FJC, aggregation, reprojection)
        found["mpjpe", aggregation] = mpjpe(pose_FJC, truth_FJC)
        if aggregation in CHOOSERS and aligned_HFJC is not None:
            best_FJC = aggregate(aligned_HFJC, truth_FJC, aggregation, reprojection)
            found["p_mpjpe", aggregation] = mpjpe(best_FJC, truth_FJC)
        else:
            found["p_mpjpe", aggregation] = p_mpjpe(pose_FJC, truth_FJC)
        found["mpjve", aggregation] = mpjve(pose_FJC, truth_FJC)
    return found
