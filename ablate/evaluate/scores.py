"""What is measured of one batch of lifted windows: errors by metric and aggregation, summed over what counts.

Legend: B windows of a batch, K denoising steps, H hypotheses, F frames, J joints, X places in a window (its frames, or
as many runs of consecutive ones as an error looks at). Everything is metres here, shares are percent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ablate import metrics, placement
from ablate.data.skeleton import BONES, LEFT, MIRROR, NAMES
from ablate.metrics import BY_REPROJECTION, Aggregation, Root

UNITS = {
    "mpjpe": "mm",
    "p_mpjpe": "mm",
    "mpjve": "mm/frame",
    "n_mpjpe": "mm",
    "acceleration_error": "mm/frame^2",
    "bone_variation": "mm",
    "asymmetry": "mm",
    "mpjpe_kept": "mm",
    "mpjpe_pruned": "mm",
    "spread_correlation": "",
    "spread_ratio": "",
    "pck_150": "%",
    "auc": "%",
}
CORE = ("mpjpe", "p_mpjpe", "mpjve")  # of every aggregation; all others are of the mean pose alone
SHARES = ("pck_150", "auc")
FOLLOWED: tuple[Aggregation, ...] = ("mean", "p_best", "j_best")  # over all steps; the others after the last one
LEFT_BONES = tuple(bone for bone in BONES if bone[1] in LEFT)
RIGHT_BONES = tuple((MIRROR[parent], MIRROR[child]) for parent, child in LEFT_BONES)
# Those that 3DHP leaves out are its pelvis, its spine and its head, which stands for Human3.6M's neck_nose.
NEAR_JOINTS = [i for i, name in enumerate(NAMES) if name not in ("hip", "spine", "neck_nose")]

Key = tuple[str, str, Aggregation]  # protocol, metric, aggregation
Score = tuple[Tensor, Tensor]  # sums of errors, float64 (B, K), or (B, 1) of the last step; what was counted (B,)
Errors = Iterator[tuple[str, Aggregation, Tensor]]  # metric, aggregation, (B, K or 1, X)


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """A batch on the poses' device, and what is asked of it. ``counted`` says of each protocol which frames it counts,
    (B, F); the one of ``protocol`` is followed over all steps. ``intrinsic_B9``: None where a camera is not known.
    ``kept_BF``: frames that reach the network's end, None where nothing is pruned. ``shares``: PCK and AUC as well."""

    x2d_BFJ2: Tensor
    truth_BFJ3: Tensor
    root_BF3: Tensor
    counted: Mapping[str, Tensor]
    protocol: str
    intrinsic_B9: Tensor | None = None
    kept_BF: Tensor | None = None
    shares: bool = False


def measure(pose_BKHFJ3: Tensor, seen: Seen) -> dict[Key, Score]:
    """Each window's sums under each protocol; of ``p_best_batch`` those of each hypothesis, (B, H) in place of (B, K).

    MPJPE and its kin count frames, MPJVE pairs of consecutive counted frames, acceleration three of them. How much
    bones vary is one number a window, which counts as often as the window has counted frames.
    """
    found: dict[Key, Score] = {}
    mean_BFJ3 = pose_BKHFJ3[:, -1].mean(dim=1)
    for metric, aggregation, value_BKX in _errors(pose_BKHFJ3, mean_BFJ3, seen):
        for protocol, counted_BF in seen.counted.items():
            last = protocol != seen.protocol and aggregation in FOLLOWED
            value = value_BKX[:, -1:] if last else value_BKX
            found[protocol, metric, aggregation] = _over(value, counted_BF)
            if metric == "mpjpe" and aggregation == "mean" and seen.kept_BF is not None:
                among = {"mpjpe_kept": seen.kept_BF, "mpjpe_pruned": ~seen.kept_BF}
                for name, those_BF in among.items():
                    found[protocol, name, aggregation] = _over(value_BKX[:, -1:], counted_BF & those_BF)
    for protocol, counted_BF in seen.counted.items():
        frames_B = counted_BF.sum(dim=-1)
        variation_B = metrics.bone_variation(mean_BFJ3, BONES, counted_BF).double()
        found[protocol, "bone_variation", "mean"] = ((variation_B * frames_B).unsqueeze(1), frames_B)
    return found


def _over(value_BKX: Tensor, counted_BF: Tensor) -> Score:
    """The sum over the places of which all frames count, and how many these are."""
    places = value_BKX.shape[2]
    span = counted_BF.shape[1] - places + 1
    counted_BX = torch.stack([counted_BF[:, first : first + places] for first in range(span)]).all(dim=0)
    return (value_BKX.double() * counted_BX.unsqueeze(1)).sum(dim=-1), counted_BX.sum(dim=-1)


def _errors(pose_BKHFJ3: Tensor, mean_BFJ3: Tensor, seen: Seen) -> Errors:
    steps, hypotheses = pose_BKHFJ3.shape[1:3]
    truth_BKFJ3 = seen.truth_BFJ3.unsqueeze(1).expand(-1, steps, -1, -1, -1)
    if hypotheses == 1:
        for (metric, aggregation), value in metrics.errors(pose_BKHFJ3, truth_BKFJ3, ["mean"]).items():
            yield metric, aggregation, value
    else:
        aligned_BKHFJ3 = metrics.align(pose_BKHFJ3, truth_BKFJ3.unsqueeze(-4))
        found = metrics.errors(pose_BKHFJ3, truth_BKFJ3, FOLLOWED, aligned_HFJC=aligned_BKHFJ3)
        yield from ((metric, aggregation, value) for (metric, aggregation), value in found.items())
        yield from _at_the_end(pose_BKHFJ3[:, -1], aligned_BKHFJ3[:, -1], seen)
    yield from _of_the_mean(mean_BFJ3, seen)


def _at_the_end(pose_BHFJ3: Tensor, aligned_BHFJ3: Tensor, seen: Seen) -> Errors:
    """The aggregations that are not followed over the steps."""
    reprojection = _reprojection(pose_BHFJ3, seen)
    others: list[Aggregation] = ["geometric_median", *(BY_REPROJECTION if reprojection else ())]
    truth_BFJ3 = seen.truth_BFJ3
    found = metrics.errors(pose_BHFJ3, truth_BFJ3, others, aligned_HFJC=aligned_BHFJ3, reprojection=reprojection)
    yield from ((metric, aggregation, value.unsqueeze(1)) for (metric, aggregation), value in found.items())
    truth_B1FJ3 = truth_BFJ3.unsqueeze(1)
    yield "mpjpe", "p_best_batch", metrics.mpjpe(pose_BHFJ3, truth_B1FJ3)
    yield "p_mpjpe", "p_best_batch", metrics.mpjpe(aligned_BHFJ3, truth_B1FJ3)
    yield "mpjve", "p_best_batch", metrics.mpjve(pose_BHFJ3, truth_B1FJ3)


def _reprojection(pose_BHFJ3: Tensor, seen: Seen) -> dict[Root, Tensor]:
    """How far each joint of each hypothesis reprojects from the input, (B, H, F, J), by where the root is.

    The root is estimated for the mean pose, and all hypotheses stand there: one that is too large or too small then
    shows, which at a place of its own it would not. Where no place can be told all hypotheses are equally near.
    """
    if seen.intrinsic_B9 is None:
        return {}
    estimated_BF3 = placement.translation(pose_BHFJ3.mean(dim=1), seen.x2d_BFJ2, seen.intrinsic_B9[:, None])
    roots: dict[Root, Tensor] = {"estimated": estimated_BF3, "true": seen.root_BF3}
    found = {}
    for root, place_BF3 in roots.items():
        shown_BHFJ2 = placement.project(pose_BHFJ3 + place_BF3[:, None, :, None], seen.intrinsic_B9[:, None, None])
        distance_BHFJ = torch.linalg.vector_norm(shown_BHFJ2 - seen.x2d_BFJ2.unsqueeze(1), dim=-1)
        found[root] = distance_BHFJ.nan_to_num(nan=0.0)
    return found


def _of_the_mean(mean_BFJ3: Tensor, seen: Seen) -> Errors:
    """What is measured of the mean pose after the last step alone."""
    values = {
        "n_mpjpe": metrics.n_mpjpe(mean_BFJ3, seen.truth_BFJ3),
        "acceleration_error": metrics.acceleration_error(mean_BFJ3, seen.truth_BFJ3),
        "asymmetry": metrics.asymmetry(mean_BFJ3, LEFT_BONES, RIGHT_BONES),
    }
    if seen.shares:
        error_mm_BFJ = 1000 * metrics.joint_errors(mean_BFJ3, seen.truth_BFJ3)[..., NEAR_JOINTS]
        values |= {"pck_150": metrics.pck(error_mm_BFJ), "auc": metrics.auc(error_mm_BFJ)}
    yield from ((metric, "mean", value_BX.unsqueeze(1)) for metric, value_BX in values.items())
