"""The similarity transform that brings a pose nearest to the truth. Legend: see the package; N poses, sums in float64.

The rotation is closed-form, since a library's SVD of many small matrices takes most of an evaluation's time. With
M = pose' truth = U S V', the best rotation R = U D V' (D = 1, but for a last entry of -1 where U V' is a mirror) leaves
R' M symmetric with eigenvalues s1, s2 and +-s3. Cayley and Hamilton's theorem on that matrix gives R from M, its
cofactors and the eigenvalues' sum (as Hoger and Carlson do for stretches, Quarterly of Applied Mathematics 42, 1984);
the sum is the largest root of a quartic, as in Horn (JOSA A 4, 1987) and Theobald (Acta Crystallographica A 61, 2005).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

CHUNK = 6000
"""Poses at a time on a processor: all stays in its cache, of which strides that are powers of two would use little."""
GPU_CHUNK = 1 << 18
"""Poses at a time on a GPU: enough to keep it busy, within a gigabyte."""
APART = 1e-2
"""How far apart, as a product in units of |M|, a rotation's eigenvalues lie that the closed form finds to 1e-11. Of the
others, flat poses among them, the SVD's is taken."""
ROUNDS = 6
"""Of Laguerre's iteration; where eigenvalues are as far apart, it has converged after five."""


@torch.no_grad()
def align(pose_FJC: Tensor, truth_FJC: Tensor) -> Tensor:
    """``pose`` after the similarity transform (rotation, scale, shift) that brings each frame nearest to ``truth``.

    Orthogonal Procrustes analysis with the reflection refused (Umeyama, PAMI 1991); (..., F, J, 3) -> the same shape
    and dtype, without a gradient. A pose whose joints all coincide has no best rotation or scale: it is only shifted.
    Inputs must be finite (torch.linalg.LinAlgError otherwise). A frame's result depends on no other frame, bit for bit;
    memory beyond the result is that of one chunk.
    """
    pose_FJC, truth_FJC = together(pose_FJC, truth_FJC)
    aligned_FJC = torch.empty(pose_FJC.shape, dtype=pose_FJC.dtype, device=pose_FJC.device)
    most = GPU_CHUNK if pose_FJC.is_cuda else CHUNK
    shape = (3, *pose_FJC.shape[-2:], min(most, poses(pose_FJC)))
    room_3JCN = torch.empty(shape, dtype=torch.float64, device=pose_FJC.device)
    for aligned, pose, truth in zip(*(chunks(x, most) for x in (aligned_FJC, pose_FJC, truth_FJC)), strict=True):
        _align(aligned, pose, truth, room_3JCN[..., : poses(pose)])
    return aligned_FJC


def together(pose_FJC: Tensor, truth_FJC: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the shape that their leading dimensions broadcast to, without a copy."""
    shape = torch.Size(torch.broadcast_shapes(pose_FJC.shape, truth_FJC.shape))  # type: ignore[no-untyped-call]
    return pose_FJC.expand(shape), truth_FJC.expand(shape)


def poses(x_FJC: Tensor) -> int:
    """How many poses (..., F, J, 3) holds."""
    return x_FJC.shape[:-2].numel()


def chunks(x_FJC: Tensor, most: int) -> Iterator[Tensor]:
    """Views of (..., F, J, 3) that hold at most so many poses each, and together all of them in order."""
    if x_FJC.dim() == 2 or poses(x_FJC) <= most:
        yield x_FJC
    elif (inner := poses(x_FJC[0])) <= most:
        yield from (x_FJC[start : start + most // inner] for start in range(0, len(x_FJC), most // inner))
    else:
        for part in x_FJC:
            yield from chunks(part, most)


def _align(aligned_FJC: Tensor, pose_FJC: Tensor, truth_FJC: Tensor, room_3JCN: Tensor) -> None:
    """Fill the first of these. What is as large as the poses stays in ``room``, since memory that is new each time
    costs more than the arithmetic; N comes last there, so that all runs along many poses."""
    pose_JCN, truth_JCN, scratch_JCN = room_3JCN
    for held_JCN, given_FJC in ((pose_JCN, pose_FJC), (truth_JCN, truth_FJC)):
        held_JCN.permute(2, 0, 1).view(given_FJC.shape).copy_(given_FJC)
    mean_CN = _total(scratch_JCN.copy_(truth_JCN)) / len(truth_JCN)
    truth_JCN -= mean_CN
    pose_JCN -= _total(scratch_JCN.copy_(pose_JCN)) / len(pose_JCN)
    m_33N = torch.stack([_total(torch.mul(pose_JCN[:, c : c + 1], truth_JCN, out=scratch_JCN)) for c in range(3)])
    size_N = _total(torch.mul(pose_JCN, pose_JCN, out=scratch_JCN).flatten(0, 1))
    rotation_33N, stretch_N = _rotation(m_33N)
    rotation_33N *= stretch_N / size_N.clamp_min(torch.finfo(size_N.dtype).tiny)
    found_JCN = truth_JCN.copy_(mean_CN.expand_as(truth_JCN))
    for c, row_3N in enumerate(rotation_33N):
        found_JCN += torch.mul(pose_JCN[:, c : c + 1], row_3N, out=scratch_JCN)
    aligned_FJC.copy_(found_JCN.permute(2, 0, 1).view(aligned_FJC.shape))


def _total(x: Tensor) -> Tensor:
    """The sum over the first dimension; what is summed is overwritten.

    By halves, since torch's own sum adds up in an order that changes with the number of columns.
    """
    while (count := len(x)) > 1:
        x[: count // 2] += x[count - count // 2 :]
        x = x[: count - count // 2]
    return x[0].clone()


def _rotation(m_33N: Tensor) -> tuple[Tensor, Tensor]:
    """The rotation (3, 3, N) that maximises the trace of R' M, and that trace (N,)."""
    norm_N = _total(m_33N.square().flatten(0, 1)).sqrt()
    unit_33N = m_33N / norm_N
    cofactors_33N = torch.linalg.cross(unit_33N.roll(-1, 0), unit_33N.roll(-2, 0), dim=1)
    determinant_N = _total(unit_33N[0] * cofactors_33N[0])
    sum_N = _eigenvalue_sum(determinant_N, _total(cofactors_33N.square().flatten(0, 1)))
    pairs_N = (sum_N.square() - 1) / 2  # s1 s2 + s1 s3 + s2 s3
    apart_N = sum_N * pairs_N - determinant_N  # (s1 + s2) (s1 + s3) (s2 + s3)
    square_33N = _total(unit_33N.unsqueeze(2) * unit_33N.unsqueeze(1))  # M' M
    cube_33N = _total(unit_33N.transpose(0, 1).unsqueeze(2) * square_33N.unsqueeze(1))  # M M' M
    rotation_33N = ((sum_N.square() - pairs_N) * unit_33N + sum_N * cofactors_33N - cube_33N) / apart_N
    stretch_N = sum_N * norm_N
    unclear = (~(apart_N > APART)).nonzero().squeeze(1)  # what is not finite is among them
    if len(unclear):
        rotation_33N[..., unclear], stretch_N[unclear] = _by_svd(m_33N[..., unclear])
    return rotation_33N, stretch_N


def _eigenvalue_sum(determinant_N: Tensor, square_cofactors_N: Tensor) -> Tensor:
    """s1 + s2 +- s3 of matrices of norm 1: the largest root x of (x x - 1)^2 - 8 det x - 4 |cofactors|^2.

    All four roots are real, so Laguerre's iteration comes down to the largest from above; the sum is at most root 3.
    """
    x_N = torch.full_like(determinant_N, 3**0.5)
    twice_N = 2 * determinant_N
    for _ in range(ROUNDS):
        inner_N = x_N.square() - 1
        value_N = inner_N.square() - 4 * (twice_N * x_N + square_cofactors_N)
        slope_N = x_N * inner_N - twice_N  # a quarter of it, as of the second derivative 3 inner + 2
        root_N = (9 * slope_N.square() - value_N * (9 * inner_N + 6)).clamp_min(0).sqrt()
        x_N = x_N - value_N / (slope_N + root_N)
    return x_N


def _by_svd(m_33N: Tensor) -> tuple[Tensor, Tensor]:
    left, stretch, right = torch.linalg.svd(m_33N.permute(2, 0, 1))
    flip = torch.ones_like(stretch)
    flip[..., -1] = torch.where(torch.linalg.det(left) * torch.linalg.det(right) < 0, -1.0, 1.0)
    rotation = (left * flip[..., None, :]) @ right
    return rotation.permute(1, 2, 0), (stretch * flip).sum(dim=-1)
