"""Poses as files: npz, CSV and BVH, all or none, each written to a temporary name and renamed at the end.

npz, plain arrays without pickle: ``info``, a JSON text (how the poses were made, of whom, in which units), and of each
person, under their name and a slash,

| key            | what                                                                                       |
| -------------- | ------------------------------------------------------------------------------------------ |
| frame          | int64 (T,) the frame by the file's own count                                               |
| pose_m         | float32 (T, 17, 3) metres in camera axes (x right, y down, z forward), the root at 0       |
| placed_m       | float32 (T, 17, 3) the same where it stands before the camera                              |
| spread_m       | float32 (T, 17) standard deviation of the hypotheses, metres; NaN for a single one         |
| keypoints_px   | float32 (T, 17, 2) the joints in the picture that were lifted                              |
| filled         | bool (T, 17) where these were interpolated                                                 |

CSV: the same as a long table, a row a joint. BVH: see bvh; of several people a file each, ``poses-NAME.bvh``.

Legend: T frames, J joints.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ablate.data.arrays import Array
from ablate.data.skeleton import NAMES
from ablate.data.windows import Index, Mask
from ablate.errors import InputError
from ablate.lift import bvh

SUFFIXES = (".npz", ".csv", ".bvh")
COLUMNS = (
    "person,frame,seconds,joint,x_m,y_m,z_m,placed_x_m,placed_y_m,placed_z_m,"
    "spread_m,keypoint_x_px,keypoint_y_px,filled"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Lifted:
    """One person's poses, as the module's table has them."""

    label: str
    frame_T: Index
    pose_TJ3: Array
    placed_TJ3: Array
    spread_TJ: Array
    keypoint_TJ2: Array
    filled_TJ: Mask


def checked(outs: Sequence[Path]) -> None:
    """Raises InputError for a file of no kind that can be written, and for one that is named twice."""
    if len(set(outs)) < len(outs):
        raise InputError(f"--out {', '.join(map(str, outs))}: a file is named twice")
    for out in outs:
        if out.suffix.lower() not in SUFFIXES:
            raise InputError(f"--out {out}: ends in none of {', '.join(SUFFIXES)}, which say what is written")


def names(out: Path, labels: Sequence[str]) -> list[Path]:
    """The files that ``out`` stands for: one, or a BVH for each of several people."""
    if out.suffix.lower() != ".bvh" or len(labels) == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{label}{out.suffix}") for label in labels]


@contextmanager
def promised(outs: Sequence[Path], *, force: bool) -> Iterator[Mapping[Path, Path]]:
    """Temporary names for ``outs``, made at once so that nobody waits for what can't be written; renamed at the end.

    Whatever goes wrong inside, nothing half-written stays. Raises InputError where a file is there already (without
    ``force``) or can't be written.
    """
    temporary = {out: out.with_name(f".{out.stem}.{os.getpid()}.part{out.suffix}") for out in outs}
    try:
        for out, part in temporary.items():
            if out.is_dir() or (out.exists() and not force):
                raise InputError(
                    f"{out}: is there already; name another file{'' if out.is_dir() else ', or add --force'}"
                )
            part.touch()
        yield temporary
        for out, part in temporary.items():
            part.replace(out)
    except OSError as error:
        where = next((out for out, part in temporary.items() if str(error.filename) == str(part)), None)
        named = where or ", ".join(map(str, outs))
        raise InputError(f"{named}: can't be written ({error.strerror or error}); free it, or name another") from error
    finally:
        for part in temporary.values():
            with suppress(OSError):  # in a folder that isn't there, or isn't one, it was never made
                part.unlink()


def write(path: Path, suffix: str, people: Sequence[Lifted], info: Mapping[str, Any]) -> None:
    """Write ``people`` to ``path`` in the kind that ``suffix`` names; a BVH holds one person. Raises OSError."""
    if suffix == ".npz":
        with path.open("wb") as file:
            np.savez(file, **_arrays(people, info))
        return
    with path.open("w", newline="\n") as text:
        if suffix == ".csv":
            text.write(f"{COLUMNS}\n")
            for person in people:
                text.writelines(_rows(person, info["fps"], info["first_frame"]))
        else:
            (person,) = people
            bvh.write(text, person.placed_TJ3, info["fps"])


def _arrays(people: Sequence[Lifted], info: Mapping[str, Any]) -> Any:
    arrays: dict[str, Any] = {"info": np.array(json.dumps(info))}
    for person in people:
        own = {
            "frame": person.frame_T,
            "pose_m": person.pose_TJ3,
            "placed_m": person.placed_TJ3,
            "spread_m": person.spread_TJ,
            "keypoints_px": person.keypoint_TJ2,
            "filled": person.filled_TJ,
        }
        arrays |= {f"{person.label}/{name}": array for name, array in own.items()}
    return arrays


def _rows(person: Lifted, fps: float, first: int) -> Iterator[str]:
    for place, frame in enumerate(person.frame_T.tolist()):
        numbers_JC = np.concatenate([person.pose_TJ3[place], person.placed_TJ3[place]], axis=1).tolist()
        spreads = person.spread_TJ[place].tolist()
        keypoints, filled = person.keypoint_TJ2[place].tolist(), person.filled_TJ[place].tolist()
        start = f"{person.label},{frame},{(frame - first) / fps:.6f}"
        for joint, name in enumerate(NAMES):
            metres = ",".join(f"{value:.5f}" for value in numbers_JC[joint])
            spread = "" if np.isnan(spreads[joint]) else f"{spreads[joint]:.5f}"
            x, y = keypoints[joint]
            yield f"{start},{name},{metres},{spread},{x:.2f},{y:.2f},{int(filled[joint])}\n"
