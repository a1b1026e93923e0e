"""Real motion: clips of CMU's motion capture database in the Human3.6M joint order, as one plain npz.

Key "S14/Sitting 30" (subject/action and trial) is float32 (T, 17, 3): metres, z up, the floor near z = 0. Key ``info``
is a JSON text with at least ``fps``, ``units``, ``train`` and ``test`` (lists of subjects).

Legend: T frames of a recording, J joints.
"""

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ablate.data.arrays import Array
from ablate.data.config import DataConfig
from ablate.data.recording import Recording, Source
from ablate.data.skeleton import NAMES
from ablate.errors import DataError

FILE = "cmu_h36m17.npz"
VARIABLE = "ABLATE_DATA"
#: Held out of the file's own training subjects. S14, two thirds of the rest, stays in training.
VALIDATION = ("S03", "S135")
POINT_TO_IT = f"set data.path in the study, or the variable {VARIABLE}, to {FILE} or to the folder that holds it"
GET_IT_AGAIN = "get the file again"
FURTHEST = 100.0  # metres from the origin: beyond, the unit is another one
LICENCE = (
    "This data is free for use in research projects. You may include this data in commercially-sold products, but you "
    "may not resell this data directly, even in converted form."
)
ACKNOWLEDGEMENT = (
    "The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF "
    "EIA-0196217."
)


class _Info(BaseModel):
    """What the key ``info`` must say; more is allowed."""

    model_config = ConfigDict(strict=True)

    fps: float = Field(gt=0, lt=1000)
    units: Literal["m"]
    train: list[str]
    test: list[str]


def read(config: DataConfig) -> Source:
    """All clips, split by subject. Raises DataError when there is no such file or it isn't what it should be."""
    path = _find(config.path)
    arrays = _arrays(path)
    info = _info(path, arrays)
    subjects = {"train": set(info.train) - set(VALIDATION), "validation": set(VALIDATION), "test": set(info.test)}
    clips: dict[str, list[Recording]] = {split: [] for split in subjects}
    for recording in (_recording(path, key, clip, info.fps) for key, clip in arrays.items() if key != "info"):
        found = [split for split, members in subjects.items() if recording.subject in members]
        if len(found) != 1:
            where = " and under ".join(found) or "no split"
            raise DataError(
                f"{path}: {recording.key}: info has subject {recording.subject} under {where}; it must be under one"
            )
        clips[found[0]].append(recording)
    for split, members in subjects.items():
        if not clips[split]:
            raise DataError(f"{path}: no clip for {split} (subjects {', '.join(sorted(members))}); {GET_IT_AGAIN}")
    return Source(
        splits={split: tuple(recordings) for split, recordings in clips.items()},
        info={"source": "CMU Graphics Lab Motion Capture Database", "licence": LICENCE, "acknowledge": ACKNOWLEDGEMENT},
    )


def _find(configured: str | None) -> Path:
    given = configured or os.environ.get(VARIABLE)
    if not given:
        raise DataError(f"cmu: not told where {FILE} is; {POINT_TO_IT}")
    origin = "data.path" if configured else VARIABLE
    try:
        path = Path(given).expanduser()
        path = path / FILE if path.is_dir() else path
        found = path.is_file()
    except (OSError, RuntimeError) as error:
        raise DataError(f"{given}: can't be looked at ({error}; {origin} names it); {POINT_TO_IT}") from error
    if not found:
        raise DataError(f"{path}: no such file ({origin} is {given}); {POINT_TO_IT}")
    return path


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise DataError(f"{path}: not an npz, or cut short; {GET_IT_AGAIN}")
            with np.load(file, allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}
    except ValueError as error:
        raise DataError(
            f"{path}: holds something else than plain arrays ({error}); pickled content is never loaded: {GET_IT_AGAIN}"
        ) from error
    except (OSError, EOFError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: can't be read ({error}); {GET_IT_AGAIN}") from error


def _info(path: Path, arrays: Mapping[str, np.ndarray]) -> _Info:
    if "info" not in arrays:
        raise DataError(f"{path}: has no key info (a JSON text with fps, units, train, test); {GET_IT_AGAIN}")
    try:
        return _Info.model_validate_json(str(arrays["info"]))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'JSON'}: {e['msg']}" for e in error.errors())
        raise DataError(f"{path}: info: {problems}; {GET_IT_AGAIN}") from error


def _recording(path: Path, key: str, world_TJ3: Array, fps: float) -> Recording:
    where = f"{path}: {key}"
    subject, slash, name = key.partition("/")
    if not (subject and slash and name):
        raise DataError(f"{where}: is not subject/action, as 'S14/Sitting 30' is; rename it")
    joints = len(NAMES)
    if world_TJ3.ndim != 3 or world_TJ3.shape[1:] != (joints, 3) or len(world_TJ3) == 0:
        raise DataError(f"{where}: has shape {world_TJ3.shape}, expected (T, {joints}, 3) in Human3.6M's joint order")
    if not np.issubdtype(world_TJ3.dtype, np.floating):
        raise DataError(f"{where}: holds {world_TJ3.dtype}, expected float32 metres")
    bad_T = ~np.isfinite(world_TJ3).all(axis=(1, 2))
    if bad_T.any():
        raise DataError(f"{where}: {bad_T.sum()} frames hold NaN or infinity, first {bad_T.argmax()}; fill or cut them")
    if np.abs(world_TJ3).max() > FURTHEST:
        raise DataError(f"{where}: joints lie beyond {FURTHEST:g} m; is the unit metres?")
    action = name.rpartition(" ")[0] or name
    return Recording(subject=subject, action=action, name=name, world_TJ3=world_TJ3.astype(np.float32), fps=fps)
