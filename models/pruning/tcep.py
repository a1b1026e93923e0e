"""TCEP: which frames of a window matter, from how its clean 2D poses move (our design; the paper's is not public).

Legend: B windows, F frames, J joints, E = 2J coordinates of a pose, N kept frames.

Everything runs in float64 on the CPU, so that every device gets the same indices. Poses enter in a basis of sums and
differences of left and right joints: there, mirroring a pose only flips the signs of some coordinates, so distances
and the kept frames are the same for a mirrored window, bit for bit.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from models.config import JOINTS, LEFT, RIGHT
from models.pruning.config import TCEP

CENTRE = tuple(j for j in range(JOINTS) if j not in LEFT + RIGHT)
# Descriptors are rounded to this grid, far under any detector's noise: then products and their sums are exact in
# float64, and distances don't depend on the order of summation, so on no library, thread count or batch.
GRID = 2.0**16
TINY = 1e-8  # squared distances of poses of unit size: below this, a window stands still


def _around(x_BFE: Tensor, reach: int) -> list[Tensor]:
    """The sequence shifted by -reach..reach frames, its ends replicated: views of one padded copy."""
    first, last = x_BFE[:, :1].expand(-1, reach, -1), x_BFE[:, -1:].expand(-1, reach, -1)
    padded = torch.cat([first, x_BFE, last], dim=1)
    return [padded[:, shift : shift + x_BFE.shape[1]] for shift in range(2 * reach + 1)]


def _sums_and_differences(x_BFJ2: Tensor) -> Tensor:
    """(B, F, 2J): an orthonormal basis in which mirroring flips signs and does nothing else."""
    left, right = x_BFJ2[..., LEFT, :], x_BFJ2[..., RIGHT, :]
    parts = (x_BFJ2[..., CENTRE, :], (left + right) * 0.5**0.5, (left - right) * 0.5**0.5)
    return torch.cat([part.flatten(-2) for part in parts], dim=-1)


def _smoothed(x_BFE: Tensor) -> Tensor:
    """Median of three frames, then a binomial filter over five: detector noise exceeds the motion between frames."""
    before, now, after = _around(x_BFE, 1)
    median = torch.maximum(torch.minimum(before, now), torch.minimum(torch.maximum(before, now), after))
    a, b, c, d, e = _around(median, 2)
    return ((a + e) + 4 * (b + d) + 6 * c) / 16


@dataclass(frozen=True)
class Graph:
    """The adaptive temporal graph of windows: how alike their frames are, for keeping one in ``stride`` of them.

    Built lazily: a policy that needs none of it pays for none of it. ``x2d_BFJ2`` is float64 on the CPU.
    """

    x2d_BFJ2: Tensor
    stride: float
    tcep: TCEP

    @property
    def frames(self) -> int:
        return self.x2d_BFJ2.shape[1]

    @cached_property
    def raw_BFE(self) -> Tensor:
        """Root-relative poses, unsmoothed: a window's content, up to signs under mirroring."""
        return _sums_and_differences(self.x2d_BFJ2 - self.x2d_BFJ2[:, :, :1])

    @cached_property
    def pose_BFE(self) -> Tensor:
        """Smoothed root-relative poses in units of the window's root mean square."""
        relative = self.x2d_BFJ2 - self.x2d_BFJ2[:, :, :1]
        size_B11 = self.raw_BFE.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp_min(TINY)
        smooth = _smoothed(relative.flatten(2)).view(relative.shape)
        return _sums_and_differences(smooth) / size_B11

    @cached_property
    def velocity_BFE(self) -> Tensor:
        earlier, *_, later = _around(self.pose_BFE, 2)
        return (later - earlier) / 4

    @cached_property
    def distance_BFF(self) -> Tensor:
        """Mean squared distance of descriptors: pose beside ``velocity_weight`` x stride x velocity."""
        weight = self.tcep.velocity_weight * self.stride
        d = torch.cat([self.pose_BFE, weight * self.velocity_BFE], dim=-1)
        d = (d * GRID).round() / GRID
        square_BF = d.square().sum(-1)
        both_BFF = square_BF[:, :, None] + square_BF[:, None, :]
        return torch.baddbmm(both_BFF, d, d.mT, alpha=-2).div_(self.pose_BFE.shape[-1])

    @cached_property
    def nearness_FF(self) -> Tensor:
        """What similarity is for frames that look alike: it fades over two strides."""
        frame = torch.arange(self.frames, dtype=torch.float64)
        return torch.exp(((frame[:, None] - frame) / (2 * self.stride)).square() / -2)

    @cached_property
    def similarity_BFF(self) -> Tensor:
        """Frames are similar when they are closer than one uniform stride usually moves."""
        gap = min(max(1, int(self.stride + 0.5)), max(1, self.frames - 1))
        moved_B = self.distance_BFF.diagonal(offset=gap, dim1=1, dim2=2).sum(-1) / max(1, self.frames - gap)
        return (self.distance_BFF / -moved_B.clamp_min(TINY)[:, None, None]).exp_().mul_(self.nearness_FF)

    def _degree(self, similarity_BFF: Tensor) -> Tensor:
        threshold_BF = similarity_BFF.mean(-1)
        if self.tcep.threshold_std:
            threshold_BF = threshold_BF + self.tcep.threshold_std * similarity_BFF.std(-1, correction=0)
        lower_BFF = torch.minimum(threshold_BF[:, :, None], threshold_BF[:, None, :])
        return similarity_BFF.masked_fill(similarity_BFF < lower_BFF, 0).sum(-1)

    @cached_property
    def degree_BF(self) -> Tensor:
        """How redundant a frame is, relative to the same place in a still window (ends have fewer neighbours)."""
        return self._degree(self.similarity_BFF) / self._degree(self.nearness_FF[None])

    @cached_property
    def guidance_BF(self) -> Tensor:
        """TCEP's score in (0, 1): high for frames that move and that few others resemble."""
        motion, degree = (
            (s - s.mean(1, keepdim=True)) / s.std(1, correction=0, keepdim=True).clamp_min(TINY)
            for s in (self.velocity_BFE.square().sum(-1).sqrt(), self.degree_BF)
        )
        return torch.sigmoid(motion / 2 - degree / 2)


def frames_by_density(density_BF: Tensor, count: int) -> Tensor:
    """(B, count >= 2) rising frames, as dense as ``density_BF`` (positive) asks, both endpoints kept.

    They are the inverse of the density's integral at even quantiles. Where rounding makes two fall on one frame, all
    are moved as little as possible (the mean of pushing them later and earlier, so that time has no direction).
    """
    windows, frames = density_BF.shape
    steps = (density_BF[:, 1:] + density_BF[:, :-1]) / 2
    integral = torch.cat([torch.zeros(windows, 1, dtype=steps.dtype), steps.cumsum(1)], dim=1)
    target = integral[:, -1:] * (torch.arange(count, dtype=steps.dtype) / (count - 1))
    before = (torch.searchsorted(integral, target, right=True) - 1).clamp(0, frames - 2)
    position = before + (target - integral.gather(1, before)) / steps.gather(1, before)
    snapped = (position * 2**20).round() / 2**20  # so that the last bits of a sum can't decide a tie
    slack = (snapped + 0.5).floor().long() - torch.arange(count)
    slack = slack.clamp(0, frames - count)
    slack[:, 0], slack[:, -1] = 0, frames - count
    later = slack.cummax(1).values
    earlier = slack.flip(1).cummin(1).values.flip(1)
    return (later + earlier) // 2 + torch.arange(count)


def tcep(graph: Graph, count: int) -> Tensor:
    """Few frames where they resemble each other, many where they don't.

    (B, count); no gap is over stride / eps. The density grows with the root of a frame's rarity, 1 / degree. Rarity
    itself follows the motion too closely: on captured motion it interpolates worse than even strides, its root as well
    or better.
    """
    eps = graph.tcep.uniform_share
    if eps is None:
        eps = 0.5 if 5 * count >= graph.frames else 0.25
    rarity_BF = graph.degree_BF.rsqrt()
    return frames_by_density((1 - eps) * rarity_BF / rarity_BF.mean(1, keepdim=True) + eps, count)
