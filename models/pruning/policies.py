"""What may choose the kept frames: TCEP, and controls in its place at the same count.

Legend: B windows, F frames, E coordinates of a pose, N kept frames.

A policy is a function of a window's graph and a count; it returns (B, count) rising int64 frames with both endpoints,
the same for a mirrored window. Adding one is a function here and a line in ``models.pruning.config.POLICIES``.
"""

import hashlib

import numpy as np
import torch
from torch import Tensor

from models.pruning.tcep import GRID, Graph, frames_by_density


def uniform(graph: Graph, count: int) -> Tensor:
    """Even strides: the control beside every other."""
    return frames_by_density(torch.ones(len(graph.x2d_BFJ2), graph.frames, dtype=torch.float64), count)


def _draws(graph: Graph) -> Tensor:
    """(B, F) uniform draws in [0, 1), seeded by each window's content without signs: no global state, any order."""
    rows = []
    for window in graph.raw_BFE.abs().numpy():
        key = int.from_bytes(hashlib.sha256(window.tobytes()).digest()[:16], "big")
        rows.append(np.random.Generator(np.random.Philox(key=key)).random(graph.frames))
    return torch.from_numpy(np.stack(rows))


def random(graph: Graph, count: int) -> Tensor:
    """Frames at random, endpoints kept; a window's own content is the seed."""
    draws = _draws(graph)
    draws[:, 0], draws[:, -1] = -2.0, -1.0
    return draws.argsort(1)[:, :count].sort(1).values


def segment(graph: Graph, count: int) -> Tensor:
    """One random frame of each of ``count`` even segments, endpoints forced; a window's own content is the seed."""
    bounds = torch.arange(count + 1) * graph.frames // count
    start, length = bounds[:-1], bounds.diff()
    kept = start + (_draws(graph)[:, :count] * length).long()
    kept[:, -1] = graph.frames - 1
    kept[:, 0] = 0
    return kept


def motion(graph: Graph, count: int) -> Tensor:
    """The frames in which most moves, endpoints kept; of equal ones the earlier.

    Motion is the energy of the smoothed velocity of TCEP's poses, of which a detector's noise is no large part. What
    "keep the frames with most motion" says, and no more: it leaves the gaps in time that TCEP's density is there to
    close (our own control, after no paper).
    """
    # whole multiples of the grid: their squares sum exactly, so no library or order of summation decides a tie
    energy_BF = (graph.velocity_BFE * GRID).round().square().sum(-1)
    energy_BF[:, 0] = energy_BF[:, -1] = torch.inf
    return energy_BF.sort(dim=1, descending=True, stable=True).indices[:, :count].sort(1).values
