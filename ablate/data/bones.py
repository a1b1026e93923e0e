"""Skeletons as lines, for every drawing of poses: the same sides in the same colours, seen in the same way.

Poses are in camera axes (x right, y down, z forward). Drawings are in parallel projection, by lines of our own:
matplotlib's 3D axes take several times as long.

Legend: J joints, N bones.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ablate.data.arrays import Array
from ablate.data.skeleton import BONES, LEFT, RIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection

# Okabe and Ito's; the left is dark and the right light, so that they differ in greyscale too.
COLOURS = {"left": "#0072B2", "right": "#E69F00", "middle": "#222222"}
ELEVATION = math.radians(12)  # from which a viewer looks down
PARENT_N, CHILD_N = np.array(BONES).T
SIDES = tuple("left" if child in LEFT else "right" if child in RIGHT else "middle" for child in CHILD_N.tolist())


def bones(axes: "Axes", width: float, colours: Mapping[str, str] = COLOURS, **how: Any) -> "LineCollection":
    """Lines for skeletons, in the colours of their sides, empty until their ``set_segments``; ``width`` in points.
    Several skeletons may share them, one after the other."""
    from matplotlib.collections import LineCollection

    lines = LineCollection([], colors=[colours[side] for side in SIDES], linewidths=width, capstyle="round", **how)
    axes.add_collection(lines, autolim=False)
    return lines


def segments(joints_J2: Array) -> Array:
    """The ends of each bone, (..., J, 2) -> (..., N, 2, 2)."""
    return np.stack([joints_J2[..., PARENT_N, :], joints_J2[..., CHILD_N, :]], axis=-2)


def upright(pose_J3: Array) -> Array:
    """From camera axes to x right, y away, z up, (..., 3)."""
    return np.stack([pose_J3[..., 0], pose_J3[..., 2], -pose_J3[..., 1]], axis=-1)


def viewed(up_J3: Array, azimuth: float, elevation: float = ELEVATION) -> Array:
    """Points (..., 3) with z up as (..., 2) in parallel projection, from ``azimuth`` around and a little above."""
    x, y, z = np.moveaxis(up_J3, -1, 0)
    across, away = x * math.cos(azimuth) - y * math.sin(azimuth), x * math.sin(azimuth) + y * math.cos(azimuth)
    return np.stack([across, z * math.cos(elevation) + away * math.sin(elevation)], axis=-1)
