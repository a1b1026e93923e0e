"""What a dataset delivers: people moving in a world measured in metres, filmed by cameras, or views that are ready.

Legend: T frames of a recording, J joints.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ablate.data.arrays import Array

if TYPE_CHECKING:
    from ablate.data.windows import View


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
    without any; virtual ones then film it. ``seen`` is the dataset's own 2D of each of its cameras, (T, 17, 2) in
    normalised screen coordinates, which then stands for projected joints and for noise; empty where it has none.
    """

    subject: str
    action: str
    name: str
    world_TJ3: Array
    fps: float
    cameras: tuple[Camera, ...] = ()
    seen: tuple[Array, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.subject}/{self.name}"


class Clips(Protocol):
    """A number of clips, to go through as often as one likes. A clip is a Recording, which cameras then film, or a View
    where the data are a camera's already."""

    def __iter__(self) -> "Iterator[Recording | View]": ...
    def __len__(self) -> int: ...


@dataclass(frozen=True)
class InTurn:
    """Clips that are made one after the other, each when it is its turn: ``make`` gives one of each thing that
    ``things`` gives, which is called when somebody asks for the first."""

    things: Callable[[], Sequence[Any]]
    make: "Callable[[Any], Recording | View]"

    def __iter__(self) -> "Iterator[Recording | View]":
        return map(self.make, self.things())

    def __len__(self) -> int:
        return len(self.things())


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Of a dataset that takes long to read: what its footage depends on. It is then read once, and mapped from a cache
    from then on: ``files`` are hashed, ``settings`` are the names in DataConfig that matter, ``version`` is raised when
    the same files are read otherwise."""

    files: tuple[Path, ...]
    settings: tuple[str, ...]
    version: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """A dataset as it was read: clips under ``train``, ``validation`` and ``test``, no subject under two of them (but
    for ``hold_out: false``, see DataConfig), and what to say about the data wherever results go (plain values: source,
    licence, acknowledgement).

    With ``kept``, clips are read when somebody goes through them, which may be never.
    """

    splits: Mapping[str, Clips]
    info: Mapping[str, Any]
    kept: Kept | None = None
