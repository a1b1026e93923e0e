"""Motion in this program's own layout: one npz of plain arrays, never pickled.

| key                   | what it holds                                                                            |
| --------------------- | ---------------------------------------------------------------------------------------- |
| "S14/Sitting 30"      | a recording, subject/action and trial: float (T, 17, 3), metres, z up, floor near z = 0   |
| "S14/Sitting 30@left" | optional: its 2D as a detector saw it through the camera "left": float (T, 17, 2), pixels |
| "info"                | a JSON text, as follows                                                                  |

``fps`` and ``units`` ("m") hold for all recordings; ``train``, ``validation`` (optional) and ``test`` list subjects,
every subject under one of them. ``cameras`` (optional) maps a recording's key, or a subject for all of that subject's
recordings, to a list of cameras, each with the fields of ``Camera`` (recording.py); a recording without any is filmed
by virtual ones. ``source``, ``licence`` and ``acknowledge`` (optional) are shown wherever results go. More keys are
allowed. Joints stand in Human3.6M's order (skeleton.py).

Legend: T frames of a recording, J joints, C coordinates.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ablate.data import camera as optics
from ablate.data.arrays import Array, poses
from ablate.data.recording import Camera, Recording
from ablate.data.skeleton import NAMES
from ablate.errors import DataError

GET_IT_AGAIN = "get or make the file again"
MEND = "give an array of floats, Human3.6M's 17 joints in every frame; fill or cut frames without"
FURTHEST = 100.0  # metres from the origin: beyond, the unit is another one
NEAREST = 0.1  # metres that a joint keeps from a camera
SCREEN = 2.0  # 2D that stays within it is normalised, not in pixels


class CameraEntry(BaseModel):
    """A camera as a file tells it; the fields of ``Camera``."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1, pattern="^[^@]+$")
    orientation: tuple[float, float, float, float]
    translation: tuple[float, float, float]
    intrinsic: tuple[float, float, float, float, float, float, float, float, float]
    resolution: tuple[int, int]


class Info(BaseModel):
    """What the key ``info`` must and may say; more is allowed."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    fps: float = Field(gt=0, lt=1000)
    units: Literal["m"]
    train: list[str]
    test: list[str]
    validation: list[str] = []
    cameras: dict[str, list[CameraEntry]] = {}
    source: str | None = None
    licence: str | None = None
    acknowledge: str | None = None


class Contents(NamedTuple):
    """A file as it was read, whole and checked."""

    info: Info
    recordings: tuple[Recording, ...]


def read_file(path: Path) -> Contents:
    """Everything in a file of this layout. Raises DataError, one message for each thing that can be wrong."""
    with _opened(path) as archive:
        arrays: dict[str, np.ndarray] = {key: archive[key] for key in archive.files}
    info = _info(path, arrays)
    motion = {key: array for key, array in arrays.items() if key != "info" and "@" not in key}
    subjects = {key.partition("/")[0] for key in motion}
    for name in info.cameras:
        if name not in motion and name not in subjects:
            raise DataError(f"{path}: info.cameras: {name} is no recording and no subject of this file; correct it")
    seen: dict[str, dict[str, Array]] = {}
    for key, array in arrays.items():
        recording, at, camera = key.rpartition("@")
        if at:
            if recording not in motion:
                raise DataError(f"{path}: {key}: is 2D of {recording}, which is not in the file; correct the key")
            seen.setdefault(recording, {})[camera] = array
    recordings = (_recording(path, key, clip, info, seen.get(key, {})) for key, clip in motion.items())
    return Contents(info, tuple(recordings))


def split(
    path: Path, recordings: Iterable[Recording], subjects: Mapping[str, Collection[str]]
) -> dict[str, tuple[Recording, ...]]:
    """The recordings under the split that lists their subject. Raises DataError for one under none or several."""
    clips: dict[str, list[Recording]] = {name: [] for name in subjects}
    for recording in recordings:
        found = [name for name, members in subjects.items() if recording.subject in members]
        if len(found) != 1:
            where = " and under ".join(found) or "no split"
            raise DataError(
                f"{path}: {recording.key}: info has subject {recording.subject} under {where}; it must be under one"
            )
        clips[found[0]].append(recording)
    return {name: tuple(clip) for name, clip in clips.items()}


@contextmanager
def _opened(path: Path) -> Iterator["np.lib.npyio.NpzFile"]:
    """The archive, nothing of it read yet; whatever goes wrong with it meanwhile becomes a DataError."""
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise DataError(f"{path}: not an npz, or cut short; {GET_IT_AGAIN}")
            with np.load(file, allow_pickle=False) as archive:
                yield archive
    except ValueError as error:
        raise DataError(
            f"{path}: holds something else than plain arrays ({error}); pickled content is never loaded: {GET_IT_AGAIN}"
        ) from error
    except (OSError, EOFError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: can't be read ({error}); {GET_IT_AGAIN}") from error


def _info(path: Path, arrays: Mapping[str, np.ndarray]) -> Info:
    if "info" not in arrays:
        raise DataError(f"{path}: has no key info (a JSON text with fps, units, train, test); {GET_IT_AGAIN}")
    try:
        return Info.model_validate_json(str(arrays["info"]))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'JSON'}: {e['msg']}" for e in error.errors())
        raise DataError(f"{path}: info: {problems}; {GET_IT_AGAIN}") from error


def _recording(path: Path, key: str, world_TJ3: Array, info: Info, seen: Mapping[str, Array]) -> Recording:
    where = f"{path}: {key}"
    subject, slash, name = key.partition("/")
    if not (subject and slash and name):
        raise DataError(f"{where}: is not subject/action, as 'S14/Sitting 30' is; rename it")
    poses(world_TJ3, where, len(NAMES), 3, MEND)
    if np.abs(world_TJ3).max() > FURTHEST:
        raise DataError(f"{where}: joints lie beyond {FURTHEST:g} m; is the unit metres?")
    world_TJ3 = world_TJ3.astype(np.float32)
    entries = info.cameras.get(key) or info.cameras.get(subject, [])
    cameras = tuple(_camera(where, entry, world_TJ3) for entry in entries)
    names = [camera.name for camera in cameras]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"{where}: two cameras are called {twice[0]}; rename one of them")
    return Recording(
        subject=subject,
        action=name.rpartition(" ")[0] or name,
        name=name,
        world_TJ3=world_TJ3,
        fps=info.fps,
        cameras=cameras,
        seen=_seen(where, seen, cameras, len(world_TJ3)),
    )


def _camera(where: str, entry: CameraEntry, world_TJ3: Array) -> Camera:
    """The camera of an entry, with everybody in front of it. Raises DataError."""
    place = f"{where}: camera {entry.name}"
    if not any(entry.orientation):
        raise DataError(f"{place}: orientation is zero; give the quaternion (w, x, y, z) from camera to world axes")
    if min(entry.intrinsic[:2]) <= 0 or min(entry.resolution) < 1:
        raise DataError(f"{place}: focal lengths and resolution must be positive; correct them")
    camera = Camera(**entry.model_dump())
    depth_TJ = optics.world_to_camera(world_TJ3, camera)[..., 2]
    behind_T = np.flatnonzero((depth_TJ < NEAREST).any(axis=1))
    if len(behind_T):
        raise DataError(
            f"{place}: the person is behind it in {len(behind_T)} of {len(depth_TJ)} frames, first {behind_T[0]}; "
            "orientation must turn camera axes (x right, y down, z forward) into world axes, translation be its centre"
        )
    return camera


def _seen(where: str, seen: Mapping[str, Array], cameras: tuple[Camera, ...], frames: int) -> tuple[Array, ...]:
    """Each camera's 2D in normalised screen coordinates; empty where the file has no 2D of this recording."""
    if not seen:
        return ()
    names = {camera.name for camera in cameras}
    if names != seen.keys():
        lists = f"it has 2D of {', '.join(sorted(seen))}, info.cameras lists {', '.join(sorted(names)) or 'none'}"
        raise DataError(f"{where}: {lists}; give 2D of each of a recording's cameras, or of none")
    found = []
    for camera in cameras:
        pixels_TJ2 = poses(seen[camera.name], f"{where}@{camera.name}", len(NAMES), 2, MEND)
        if len(pixels_TJ2) != frames:
            raise DataError(f"{where}@{camera.name}: has {len(pixels_TJ2)} frames, the motion {frames}; cut the longer")
        if np.abs(pixels_TJ2).max() <= SCREEN:
            raise DataError(f"{where}@{camera.name}: all of it lies within {SCREEN:g} pixels; give pixels, as detected")
        found.append(optics.normalise_screen(pixels_TJ2, camera.resolution).astype(np.float32))
    return tuple(found)


def bundle(recordings: Iterable[Recording], info: Mapping[str, Any]) -> bytes:
    """The content of a file of this layout. ``info`` adds to cameras and units, which are the recordings' own."""
    arrays: dict[str, Any] = {}
    cameras: dict[str, list[dict[str, Any]]] = {}
    for recording in recordings:
        arrays[recording.key] = recording.world_TJ3.astype(np.float32)
        if recording.cameras:
            cameras[recording.key] = [asdict(camera) for camera in recording.cameras]
        for camera, seen_TJ2 in zip(recording.cameras, recording.seen, strict=False):
            pixels_TJ2 = optics.denormalise_screen(seen_TJ2, camera.resolution)
            arrays[f"{recording.key}@{camera.name}"] = pixels_TJ2.astype(np.float32)
    text = json.dumps({"units": "m", **info, **({"cameras": cameras} if cameras else {})}, allow_nan=False)
    content = io.BytesIO()
    np.savez_compressed(content, **arrays, info=np.array(text))
    return content.getvalue()


class Outline(NamedTuple):
    """What a file says of itself, and the frames of each recording, without reading any motion."""

    info: Info
    frames: dict[str, int]


def outline(path: Path) -> Outline:
    """Raises DataError for a file that isn't of this layout."""
    frames = {}
    with _opened(path) as archive:
        assert archive.zip is not None
        for key in archive.files:
            if key != "info" and "@" not in key:
                with archive.zip.open(f"{key}.npy") as member:
                    first = np.lib.format.read_magic(member) == (1, 0)
                    header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
                    frames[key] = next(iter(header(member)[0]), 0)
        return Outline(_info(path, {key: archive[key] for key in archive.files if key == "info"}), frames)
