"""The JSON layouts of detectors: each function turns one file's parsed content into detections.

Which layout is which stands in the table of ``reading``.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ablate.data.keypoints import COCO, KEYPOINTS
from ablate.errors import DataError
from ablate.lift.detections import Detection, detection

LANDMARKS = KEYPOINTS["mediapipe33"]


def mmpose(content: Any) -> Iterator[Detection]:
    """MMPose's demos ({meta_info, instance_info}) and its inferencer (the list alone)."""
    frames = content["instance_info"] if isinstance(content, dict) else content
    for place, frame in enumerate(_list(frames, "instance_info")):
        number = _whole(_of(frame, "frame_id", f"entry {place}"), f"entry {place}, frame_id")
        where = f"frame {number}"
        for person in _list(_of(frame, "instances", where), f"{where}, instances"):
            scores = _of(person, "keypoint_scores", where)
            yield detection(where, number, _track(person.get("track_id")), _of(person, "keypoints", where), scores)


def results(content: Any) -> Iterator[Detection]:
    """COCO's results, one entry a detection: Detectron2, ViTPose, MMPose's evaluation, and AlphaPose."""
    for place, person in enumerate(_list(content, "the file")):
        where = f"entry {place}"
        number = _frame_of(_of(person, "image_id", where), where)
        track = _track(person.get("track_id", person.get("idx")))
        yield detection(where, number, track, _of(person, "keypoints", where))


def easy_vitpose(content: Any) -> Iterator[Detection]:
    """easy_ViTPose's: a list of frames, in each the keypoints (y, x, score) by the person's number.

    Its lists differ in length, so COCO's 17 are picked by the names under ``skeleton``.
    """
    skeleton = _of(content, "skeleton", "the file")
    if not isinstance(skeleton, dict) or not all(number.isdecimal() for number in skeleton):
        raise DataError("skeleton: is no table from numbers to names")
    names = {name: int(number) for number, name in skeleton.items()}
    if missing := [name for name in COCO if name not in names]:
        raise DataError(f"skeleton: has no {', '.join(missing)}; people are lifted, of the dataset coco or coco_25")
    for number, frame in enumerate(_list(_of(content, "keypoints", "the file"), "keypoints")):
        where = f"frame {number}"
        if not isinstance(frame, dict):
            raise DataError(f"{where}: is no table from a person's number to keypoints")
        for track, points in frame.items():
            found = detection(where, number, track, points)
            if len(found.xy_K2) <= max(names.values()):
                raise DataError(f"{where}: {len(found.xy_K2)} keypoints, but the skeleton names {len(names)}")
            picked = [names[name] for name in COCO]
            yield found._replace(xy_K2=found.xy_K2[picked, ::-1], score_K=found.score_K[picked])


def openpose(content: Any, number: int) -> Iterator[Detection]:
    """One of OpenPose's files, of frame ``number``."""
    where = f"frame {number}"
    for person in _list(_of(content, "people", where), f"{where}, people"):
        points = _of(person, "pose_keypoints_2d", where)
        track = _track(person.get("person_id") or None)
        yield detection(where, number, None if track == "-1" else track, points)


def mediapipe(content: Any) -> Iterator[Detection]:
    """A list of frames, each null, 33 landmarks, or several people's: {x, y, visibility} or [x, y, z, visibility]."""
    for number, frame in enumerate(_list(content, "the file")):
        where = f"frame {number}"
        people = [] if not frame else [frame] if len(_list(frame, where)) == LANDMARKS else frame
        for person in people:
            if len(_list(person, where)) != LANDMARKS:
                raise DataError(f"{where}: {len(person)} landmarks, not {LANDMARKS}")
            yield detection(where, number, None, [_landmark(mark, where) for mark in person])


def recognised(content: Any) -> str | None:
    """The layout that a JSON's content has, by its look; None where it has none of these."""
    if isinstance(content, dict):
        marks: Mapping[str, str] = {"instance_info": "mmpose", "people": "openpose", "skeleton": "easy_vitpose"}
        return next((layout for key, layout in marks.items() if key in content), None)
    first = next((entry for entry in content if entry), None) if isinstance(content, list) else None
    if isinstance(first, list):
        return "mediapipe"
    if not isinstance(first, dict):
        return None
    if "instances" in first:
        return "mmpose"
    if "keypoints" in first and "image_id" in first:
        return "alphapose" if isinstance(first["image_id"], str) else "coco"
    return None


Layout = Callable[[Any], Iterator[Detection]]
#: OpenPose's has a file for each frame, so it is not among them.
JSON: Mapping[str, Layout] = {
    "mmpose": mmpose,
    "coco": results,
    "alphapose": results,
    "easy_vitpose": easy_vitpose,
    "mediapipe": mediapipe,
}


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"{where}: is a {type(value).__name__}, not a list")
    return value


def _of(entry: Any, key: str, where: str) -> Any:
    if not isinstance(entry, dict) or key not in entry:
        raise DataError(f"{where}: has no {key}")
    return entry[key]


def _whole(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise DataError(f"{where}: is {value!r}, not a whole number")
    return value


def _frame_of(image: Any, where: str) -> int:
    """The frame that an image_id names: a number, or the last one in a file's name ("12.jpg")."""
    if not isinstance(image, str):
        return _whole(image, f"{where}, image_id")
    numbers = re.findall(r"\d+", image.rpartition("/")[2].rpartition(".")[0] or image)
    if not numbers:
        raise DataError(f"{where}: its image_id {image!r} holds no frame's number")
    return int(numbers[-1])


def _track(value: Any) -> str | None:
    """Whom a detection is of, as a text; some programs write it as a list of one number."""
    while isinstance(value, list) and len(value) == 1:
        (value,) = value
    if value is None or isinstance(value, str):
        return value
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError):
        raise DataError(f"a track's number is {value!r}") from None


def _landmark(mark: Any, where: str) -> tuple[float, float, float]:
    try:
        if isinstance(mark, dict):
            return float(mark["x"]), float(mark["y"]), float(mark.get("visibility", 1.0))
        x, y, _, visibility = mark
        return float(x), float(y), float(visibility)
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{where}: a landmark is no {{x, y, visibility}} or [x, y, z, visibility]: {mark!r}") from None
