"""What a dataset delivers: people moving in a world measured in metres, filmed by cameras.

Legend: T frames of a recording, J joints.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ablate.data.arrays import Array


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A calibrated camera, in the conventions of VideoPose3D.

    ``orientation`` is the unit quaternion (w, x, y, z) that turns camera axes (x right, y down, z forward) into world
    axes; ``translation`` the camera's centre in the world, metres; ``intrinsic`` (fx, fy, cx, cy, k1, k2, k3, p1, p2)
    in normalised screen units (the width spans -1..1); ``resolution`` width and height in pixels.
    """

    name: str
    orientation: tuple[float, float, float, float]
    translation: tuple[float, float, float]
    intrinsic: tuple[float, float, float, float, float, float, float, float, float]
    resolution: tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """One person's motion. ``action`` is the class that results are grouped by, ``name`` the trial ("Sitting 30").

    ``world_TJ3`` float32 (T, 17, 3): metres, z up, the floor near z = 0. ``cameras`` stays empty where the motion came
    without any; virtual ones then film it.
    """

    subject: str
    action: str
    name: str
    world_TJ3: Array
    fps: float
    cameras: tuple[Camera, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.subject}/{self.name}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """A dataset as it was read: recordings under ``train``, ``validation`` and ``test``, no subject under two of them,
    and what to say about the data wherever results go (plain values: source, licence, acknowledgement)."""

    splits: Mapping[str, tuple[Recording, ...]]
    info: Mapping[str, Any]
