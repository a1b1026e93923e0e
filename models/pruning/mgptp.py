"""MGPTP: of the tokens that are left, the most representative one of each segment in time.

Density peaks (as in DPC-kNN), guided by TCEP's score, with one peak in each of M segments: without the segments the
peaks leave gaps in time, and coverage is what matters (our design; the paper's is not public).

Legend: B windows, N tokens (frames still there), M clusters, E descriptor size.
"""

import torch
from torch import Tensor

# How much a token's logarithmic score falls from the middle of its segment (0) to its edge (a quarter of this). On
# captured motion, 16 halves what the choice loses to even strides in interpolation; more would leave no choice.
COVERAGE = 16.0


def squared_distances(tokens_BNE: Tensor) -> Tensor:
    """Squared distances of tokens, (B, N, N), without a gradient: none passes through the choice."""
    tokens_BNE = tokens_BNE.detach().float()
    return torch.cdist(tokens_BNE, tokens_BNE, compute_mode="donot_use_mm_for_euclid_dist").square()


def peak_scores(
    distance_BNN: Tensor, frames_BN: Tensor, guidance_BN: Tensor, *, stride: float, clusters: int, neighbours: int
) -> Tensor:
    """(B, N) logarithms of density x distance to the nearest denser token x guidance.

    ``distance_BNN`` is squared; it is scaled by what the tokens usually move between two clusters, and joined by the
    squared gap in time in units of ``stride``. Of two equal densities the earlier token's counts as the higher one.
    """
    count = frames_BN.shape[1]
    offset = min(max(1, int(count / clusters + 0.5)), count - 1)
    moved_B = distance_BNN.diagonal(offset=offset, dim1=1, dim2=2).mean(-1).clamp_min(1e-8)
    frame_BN = frames_BN.to(distance_BNN.dtype)
    gap_BNN = (frame_BN[:, :, None] - frame_BN[:, None, :]) / stride
    d_BNN = distance_BNN / moved_B[:, None, None] + gap_BNN.square()
    own = torch.eye(count, dtype=torch.bool, device=d_BNN.device)
    nearest = d_BNN.masked_fill(own, torch.inf).topk(min(neighbours, count - 1), dim=-1, largest=False).values
    sparsity = nearest.mean(-1)  # the density is exp(-sparsity); logarithms can't underflow in a burst
    i_BNN, j_BNN = sparsity[:, :, None], sparsity[:, None, :]
    denser = (j_BNN < i_BNN) | ((j_BNN == i_BNN) & own.new_ones(count, count).tril(-1))
    to_denser = d_BNN.masked_fill(~denser, torch.inf).amin(-1)
    delta_squared = torch.where(denser.any(-1), to_denser, d_BNN.amax(-1))
    return delta_squared.log() / 2 - sparsity + guidance_BN.log()


def best_of_segments(score_BN: Tensor, clusters: int) -> Tensor:
    """(B, M >= 2) rising positions: the best of each of M equal segments, the first and the last token forced.

    Segments lie around M even positions, of which the first and the last are the ends. A token's score falls with its
    distance from the middle of its segment, or neighbouring segments' choices could leave a gap between them.
    """
    count = score_BN.shape[1]
    position_N = torch.arange(count, device=score_BN.device)
    segment_N = (2 * position_N * (clusters - 1) + count - 1) // (2 * (count - 1))
    off_middle_N = position_N * ((clusters - 1) / (count - 1)) - segment_N
    inside_MN = torch.arange(clusters, device=score_BN.device)[:, None] == segment_N
    score_BN = score_BN - COVERAGE * off_middle_N.square().to(score_BN.dtype)
    best = score_BN[:, None, :].masked_fill(~inside_MN, -torch.inf).argmax(-1)
    best[:, -1] = count - 1
    best[:, 0] = 0
    return best
