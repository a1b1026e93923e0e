"""Files of 2D keypoints as detectors write them, told apart by their look.

| format       | layout                                                                                                |
| ------------ | ----------------------------------------------------------------------------------------------------- |
| mmpose       | JSON of MMPose's demos, ``{meta_info, instance_info: [...]}``, or of its inferencer, the list alone:  |
|              | ``[{frame_id, instances: [{keypoints: [[x, y], ...], keypoint_scores: [...], track_id?}]}]``          |
| coco         | JSON of COCO results (Detectron2, ViTPose, MMPose's evaluation), an entry a detection:                |
|              | ``[{image_id: 12, keypoints: [x, y, score, ...], track_id?}]``                                        |
| alphapose    | the same with ``image_id: "12.jpg"``, whose last number is the frame, and people by ``idx``           |
| easy_vitpose | JSON, ``{keypoints: [{"1": [[y, x, score], ...]}, ...], skeleton: {"0": "nose", ...}}``: in each      |
|              | frame a table from the person's number                                                                |
| openpose     | a folder of ``*_000000000012_keypoints.json``, or one such file:                                      |
|              | ``{people: [{pose_keypoints_2d: [x, y, score, ...], person_id?}]}``; -1 names nobody                  |
| mediapipe    | JSON list of frames, each null, 33 landmarks or several people's: ``{x, y, visibility}`` or           |
|              | ``[x, y, z, visibility]``, x and y as shares of the picture's width and height                        |
| npz          | ``keypoints`` (T, K, 2 or 3) or, of several people, (T, P, K, 2 or 3); and where they are known       |
|              | ``scores`` (T, K) or (T, P, K), ``fps``, ``size`` (width, height), ``joints`` (the list's name)       |

x and y are pixels but for mediapipe. A keypoint that is null or NaN, or has a score of 0, was not found. K says which
list of keypoints it is: 17 COCO's or Human3.6M's (told apart by their look), 25 BODY_25, 33 MediaPipe's,
26 and 136 Halpe's, 133 COCO-WholeBody's. An npz is read without pickle.

Legend: T frames, P people, K keypoints, N detections.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import from_json

from ablate.data.arrays import Array
from ablate.data.keypoints import KEYPOINTS
from ablate.errors import DataError
from ablate.lift import layouts
from ablate.lift.detections import Detection, Detections, checked, gathered

FORMATS = (*layouts.JSON, "openpose", "npz")
KNOWN = f"the formats are {', '.join(FORMATS)}"


def read(path: Path, format: str = "auto") -> Detections:
    """The detections in a file or a folder. Raises DataError when it can't be read or is not what it should be."""
    try:
        if path.is_dir():
            if format not in ("auto", "openpose"):
                raise DataError(f"{path}: is a folder, and of {format} a file is read")
            return gathered(path, "openpose", _openpose(path))
        with path.open("rb") as file:
            start = file.read(2)
        if format == "npz" or (format == "auto" and start == b"PK"):
            return _npz(path)
        content = from_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror or error}); name a file or a folder") from error
    except ValueError as error:
        raise DataError(f"{path}: is no whole JSON ({error}); {KNOWN}") from error
    layout = layouts.recognised(content) if format == "auto" else format
    if layout is None:
        raise DataError(f"{path}: looks like none of the formats that are read; name it by --format, {KNOWN}")
    found = layouts.openpose(content, _number(path)) if layout == "openpose" else layouts.JSON[layout](content)
    try:
        return gathered(path, layout, found, shares=layout == "mediapipe")
    except DataError as error:
        raise DataError(str(error) if str(error).startswith(str(path)) else f"{path} (as {layout}): {error}") from None


def _openpose(folder: Path) -> Iterator[Detection]:
    files = sorted(folder.glob("*_keypoints.json"))
    if not files:
        raise DataError(
            f"{folder}: holds no file *_keypoints.json, as OpenPose writes them; name a file, or another one"
        )
    numbers: dict[int, Path] = {}
    for path in files:
        number = _number(path)
        if number in numbers:
            raise DataError(
                f"{folder}: {numbers[number].name} and {path.name} are both frame {number}; are these two videos?"
            )
        numbers[number] = path
        try:
            yield from layouts.openpose(from_json(path.read_bytes()), number)
        except (ValueError, DataError) as error:
            raise DataError(f"{path}: {error}") from error


def _number(path: Path) -> int:
    """The frame in the name of one of OpenPose's files; 0 for one without."""
    numbers = re.findall(r"\d+", path.name.removesuffix("_keypoints.json"))
    return int(numbers[-1]) if numbers else 0


def _npz(path: Path) -> Detections:
    arrays = _arrays(path)
    if "keypoints" not in arrays:
        raise DataError(
            f"{path}: has no key keypoints, (T, K, 2 or 3) or (T, P, K, 2 or 3); it has {', '.join(arrays)}"
        )
    points = arrays["keypoints"]
    if points.ndim not in (3, 4) or points.shape[-1] not in (2, 3) or points.size == 0:
        raise DataError(f"{path}: keypoints has the shape {points.shape}, not (T, K, 2 or 3) or (T, P, K, 2 or 3)")
    scores = arrays.get("scores", points[..., 2] if points.shape[-1] == 3 else np.ones(points.shape[:-1], np.float32))
    if scores.shape != points.shape[:-1]:
        raise DataError(f"{path}: scores has the shape {scores.shape}, and keypoints {points.shape}")
    for name, array in (("keypoints", points), ("scores", scores)):
        if not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating):
            raise DataError(f"{path}: {name} holds {array.dtype}, not numbers")
    people = 1 if points.ndim == 3 else points.shape[1]
    keypoints = points.shape[-2]
    xy_NK2, score_NK = checked(f"{path}", points[..., :2].reshape(-1, keypoints, 2), scores.reshape(-1, keypoints))
    there_N = (score_NK > 0).any(axis=1)
    if not there_N.any():
        raise DataError(f"{path}: holds no detection of anybody: all keypoints are NaN or have a score of 0")
    places_N = np.flatnonzero(there_N)
    return Detections(
        layout="npz",
        frame_N=places_N // people,
        track_N=tuple(f"{place % people + 1}" for place in places_N.tolist()),
        xy_NK2=xy_NK2[there_N],
        score_NK=score_NK[there_N],
        **_said(path, arrays),
    )


def _arrays(path: Path) -> dict[str, Array]:
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: is no npz, or cut short; write it again")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except ValueError as error:
        raise DataError(
            f"{path}: holds something else than plain arrays ({error}); pickled ones are not read"
        ) from error
    except (EOFError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: can't be read ({error}); write it again") from error


def _said(path: Path, arrays: dict[str, Array]) -> dict[str, Any]:
    """What an npz says of itself besides its keypoints."""
    said: dict[str, Any] = {}
    try:
        if "fps" in arrays:
            said["fps"] = float(arrays["fps"])
        if "size" in arrays:
            width, height = (int(length) for length in arrays["size"])
            said["size"] = width, height
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: fps must be a number and size a width and a height ({error})") from None
    if "joints" in arrays:
        said["keypoints"] = str(arrays["joints"])
        if said["keypoints"] not in KEYPOINTS:
            raise DataError(f"{path}: joints is {said['keypoints']!r}; the lists are {', '.join(KEYPOINTS)}")
    return said
