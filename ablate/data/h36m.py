"""Human3.6M (Ionescu et al., PAMI 2014) in the files of VideoPose3D (Pavllo et al., CVPR 2019).

A folder holds ``data_3d_h36m.npz``, whose key ``positions_3d`` is subject -> action and trial -> (T, 32, 3) world
metres at 50 Hz, and the 2D that ``input`` names: ``data_2d_h36m_gt.npz`` (gt) or ``data_2d_h36m_cpn_ft_h36m_dbb.npz``
(detector: CPN, fine-tuned), whose key ``positions_2d`` is subject -> action and trial -> of each of four cameras
(T or more, 17, 2) pixels. They are pickled, and never unpickled (see unpickling). The cameras are built in.

Papers train on S1, S5, S6, S7 and S8 and test on S9 and S11. Here S8 is held out for validation, so that nothing is
chosen on those who test; ``data.hold_out: false`` trains on S8 as well.

Legend: T frames of a recording, J joints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from ablate.data.arrays import Array, poses
from ablate.data.benchmark import entry, find
from ablate.data.camera import normalise_screen
from ablate.data.config import DataConfig
from ablate.data.h36m_cameras import LICENCE, cameras
from ablate.data.recording import Camera, InTurn, Kept, Recording, Source
from ablate.data.skeleton import NAMES
from ablate.data.unpickling import content
from ablate.errors import DataError

POSES = "data_3d_h36m.npz"
SEEN = {"gt": "data_2d_h36m_gt.npz", "detector": "data_2d_h36m_cpn_ft_h36m_dbb.npz"}
TRAIN, VALIDATION, TEST = ("S1", "S5", "S6", "S7"), ("S8",), ("S9", "S11")
DROPPED = ("S11", "Directions")  # its video is damaged
FPS = 50.0
RAW_JOINTS = 32
JOINTS = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]  # of the raw ones, in this program's order
FURTHEST_M = 100.0  # from the origin: beyond, the unit is another one
LEAST_PX = 10.0  # 2D that stays within it isn't in pixels


def read(config: DataConfig) -> Source:
    """Human3.6M in VideoPose3D's files: four cameras, true 2D or detections of a fine-tuned CPN.

    Raises DataError where a file is missing; going through the clips raises it where one isn't what it should be.
    """
    files = _Files(*find(config, (POSES, SEEN[config.input])))
    subjects = {"train": TRAIN if config.hold_out else TRAIN + VALIDATION, "validation": VALIDATION, "test": TEST}
    return Source(
        splits={
            split: InTurn(partial(files.sequences, members), files.recording) for split, members in subjects.items()
        },
        info={
            "source": "Human3.6M (Ionescu et al., PAMI 2014), as VideoPose3D (Pavllo et al., CVPR 2019) prepares it",
            "licence": f"Human3.6M's own, vision.imar.ro/human3.6m. {LICENCE}",
        },
        kept=Kept(files=(files.poses, files.seen), settings=("input", "hold_out"), version=1),
    )


@dataclass(frozen=True)
class _Files:
    """Both files, each read when something of it is first asked for."""

    poses: Path
    seen: Path

    @cached_property
    def _world(self) -> Any:
        return content(self.poses, "positions_3d")

    @cached_property
    def _pixels(self) -> Any:
        return content(self.seen, "positions_2d")

    def sequences(self, subjects: Sequence[str]) -> list[tuple[str, str]]:
        """The subject and the name of each recording of these subjects."""
        found = []
        for subject in subjects:
            actions = entry(self._world, subject, str(self.poses))
            if not isinstance(actions, dict) or not actions:
                raise DataError(f"{self.poses}: {subject}: holds no actions; get the file again")
            found += [(subject, name) for name in actions if (subject, name) != DROPPED]
        return found

    def recording(self, sequence: tuple[str, str]) -> Recording:
        subject, name = sequence
        where = f"{self.poses}: {subject}/{name}"
        raw = poses(self._world[subject][name], where, RAW_JOINTS, 3)
        world_TJ3 = raw[:, JOINTS].astype(np.float32)
        if np.abs(world_TJ3).max() > FURTHEST_M:
            raise DataError(f"{where}: joints lie beyond {FURTHEST_M:g} m; is the unit metres?")
        own = cameras(subject)
        return Recording(
            subject=subject,
            action=name.rpartition(" ")[0] or name,
            name=name,
            world_TJ3=world_TJ3,
            fps=FPS,
            cameras=own,
            seen=tuple(self._screen(sequence, camera, i, len(own), len(raw)) for i, camera in enumerate(own)),
        )

    def _screen(self, sequence: tuple[str, str], camera: Camera, index: int, count: int, frames: int) -> Array:
        """The 2D of one camera, as long as the 3D: videos run on after the motion capture has ended."""
        subject, name = sequence
        where = f"{self.seen}: {subject}/{name}"
        views = entry(entry(self._pixels, subject, str(self.seen)), name, f"{self.seen}: {subject}")
        if not isinstance(views, list | tuple) or len(views) != count:
            found = len(views) if isinstance(views, list | tuple) else f"a {type(views).__name__}"
            raise DataError(f"{where}: has {found} for {count} cameras; get the file that has them all")
        pixels_TJ2 = poses(views[index], f"{where}, camera {camera.name}", len(NAMES), 2)
        if len(pixels_TJ2) < frames:
            lengths = f"has {len(pixels_TJ2)} frames, and its 3D has {frames}"
            raise DataError(f"{where}, camera {camera.name}: {lengths}; get both files from one source")
        if np.abs(pixels_TJ2).max() < LEAST_PX:
            raise DataError(
                f"{where}, camera {camera.name}: all of it lies within {LEAST_PX:g} pixels; is it in pixels?"
            )
        return normalise_screen(pixels_TJ2[:frames], camera.resolution)
