"""The errors of poses, and how several hypotheses become one: pure functions of tensors, any device, no state.

B windows, K denoising steps, H hypotheses, F frames, J joints, C = 3 coordinates; ``...`` any leading dimensions, which
broadcast.
"""

from ablate.metrics.aggregation import (
    AGGREGATIONS,
    BY_REPROJECTION,
    ORACLES,
    Aggregation,
    Root,
    aggregate,
    best_of_batch,
    errors,
    geometric_median,
    reprojection_weighted,
)
from ablate.metrics.alignment import align
from ablate.metrics.body import asymmetry, bone_variation
from ablate.metrics.calibration import bins, rank_correlation, spread, spread_ratio
from ablate.metrics.distances import acceleration_error, joint_errors, mpjpe, mpjve, n_mpjpe, p_mpjpe, weighted_mpjpe
from ablate.metrics.thresholds import auc, pck

__all__ = [
    "AGGREGATIONS",
    "BY_REPROJECTION",
    "ORACLES",
    "Aggregation",
    "Root",
    "acceleration_error",
    "aggregate",
    "align",
    "asymmetry",
    "auc",
    "best_of_batch",
    "bins",
    "bone_variation",
    "errors",
    "geometric_median",
    "joint_errors",
    "mpjpe",
    "mpjve",
    "n_mpjpe",
    "p_mpjpe",
    "pck",
    "rank_correlation",
    "reprojection_weighted",
    "spread",
    "spread_ratio",
    "weighted_mpjpe",
]
