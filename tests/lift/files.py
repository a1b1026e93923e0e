"""Films as the files that detectors leave, in each of the layouts that are read, and a lifter for them.

Legend: T frames, K = 17 keypoints of COCO.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import models
from tests.lift.filmed import Array, Film

# Where COCO's keypoints stand in the longer lists, found by name in their programs' own documentation.
BODY_25 = {
    "nose": 0, "right_shoulder": 2, "right_elbow": 3, "right_wrist": 4, "left_shoulder": 5, "left_elbow": 6,
    "left_wrist": 7, "right_hip": 9, "right_knee": 10, "right_ankle": 11, "left_hip": 12, "left_knee": 13,
    "left_ankle": 14, "right_eye": 15, "left_eye": 16, "right_ear": 17, "left_ear": 18,
}  # fmt: skip
MEDIAPIPE = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8, "left_shoulder": 11, "right_shoulder": 12,
    "left_elbow": 13, "right_elbow": 14, "left_wrist": 15, "right_wrist": 16, "left_hip": 23, "right_hip": 24,
    "left_knee": 25, "right_knee": 26, "left_ankle": 27, "right_ankle": 28,
}  # fmt: skip
COCO = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip


def _flat(film: Film, frame: int) -> list[float]:
    flat: list[float] = np.column_stack([film.xy_TK2[frame], film.score_TK[frame]]).reshape(-1).tolist()
    return flat


def _wider(points_KC: Array, places: dict[str, int], count: int) -> Array:
    """COCO's keypoints at their places in a longer list, whose others are 0."""
    wide = np.zeros((count, points_KC.shape[1]))
    wide[[places[name] for name in COCO]] = points_KC
    return wide


def _frames(films: tuple[Film, ...]) -> range:
    return range(max(len(film.xy_TK2) for film in films))


def mmpose(path: Path, *films: Film, tracked: bool = False) -> Path:
    """As MMPose's demos write it, frames counted from 1."""
    frames = []
    for frame in _frames(films):
        people: list[dict[str, Any]] = []
        for number, film in enumerate(films):
            if frame < len(film.xy_TK2):
                found = {"keypoints": film.xy_TK2[frame].tolist(), "keypoint_scores": film.score_TK[frame].tolist()}
                people.append({**found, "bbox": [[0, 0, 1, 1]], **({"track_id": number} if tracked else {})})
        frames.append({"frame_id": frame + 1, "instances": people})
    return _json(path, {"meta_info": {"dataset_name": "coco"}, "instance_info": frames})


def coco(path: Path, *films: Film) -> Path:
    """As COCO's results, which Detectron2 writes."""
    results = [
        {"image_id": frame, "category_id": 1, "keypoints": _flat(film, frame), "score": 0.9}
        for frame in _frames(films)
        for film in films
    ]
    return _json(path, results)


def alphapose(path: Path, *films: Film) -> Path:
    """As AlphaPose writes it with a tracker."""
    results = [
        {
            "image_id": f"{frame}.jpg",
            "category_id": 1,
            "keypoints": _flat(film, frame),
            "score": 2.9,
            "idx": [number + 1.0],
        }
        for frame in _frames(films)
        for number, film in enumerate(films)
    ]
    return _json(path, results)


def easy_vitpose(path: Path, *films: Film) -> Path:
    """As easy_ViTPose writes it for its list of 25, where y comes first."""
    names = [*COCO[:5], "neck", *COCO[5:13], "hip", *COCO[13:]]
    frames = []
    for frame in _frames(films):
        people = {}
        for number, film in enumerate(films):
            by_name = dict(zip(COCO, np.reshape(_flat(film, frame), (-1, 3)).tolist(), strict=True))
            points = [by_name.get(name, [0.0, 0.0, 0.0]) for name in names]
            people[str(number)] = [[y, x, score] for x, y, score in points]
        frames.append(people)
    return _json(path, {"keypoints": frames, "skeleton": {str(n): name for n, name in enumerate(names)}})


def openpose(path: Path, *films: Film) -> Path:
    """As OpenPose's folder, without tracks."""
    path.mkdir()
    for frame in _frames(films):
        people = [
            {
                "person_id": [-1],
                "pose_keypoints_2d": _wider(np.reshape(_flat(film, frame), (-1, 3)), BODY_25, 25).reshape(-1).tolist(),
                "face_keypoints_2d": [],
            }
            for film in films
        ]
        _json(path / f"walk_{frame:012d}_keypoints.json", {"version": 1.3, "people": people})
    return path


def mediapipe(path: Path, *films: Film) -> Path:
    """As lists of landmarks, in shares of the picture."""
    frames: list[Any] = []
    for frame in _frames(films):
        people = []
        for film in films:
            shares = np.column_stack([film.xy_TK2[frame] / film.size, film.score_TK[frame]])
            wide = _wider(shares, MEDIAPIPE, 33).tolist()
            people.append([{"x": x, "y": y, "z": 0.1, "visibility": v} for x, y, v in wide])
        frames.append(people[0] if len(people) == 1 else people)
    return _json(path, frames)


def npz(path: Path, *films: Film, **more: Any) -> Path:
    """As an npz of several people, with what is known of the video."""
    film = films[0]
    said = {"fps": film.fps, "size": film.size, **more}
    points = np.stack([one.xy_TK2 for one in films], axis=1)
    np.savez(path, keypoints=points, scores=np.stack([one.score_TK for one in films], axis=1), **said)
    return path


WRITERS: dict[str, tuple[str, Callable[..., Path]]] = {
    "mmpose": ("keypoints.json", mmpose),
    "coco": ("keypoints.json", coco),
    "alphapose": ("keypoints.json", alphapose),
    "easy_vitpose": ("keypoints.json", easy_vitpose),
    "openpose": ("keypoints", openpose),
    "mediapipe": ("keypoints.json", mediapipe),
    "npz": ("keypoints.npz", npz),
}


def written(folder: Path, kind: str, *films: Film) -> Path:
    """``films`` as a file, or a folder, of this kind."""
    name, write = WRITERS[kind]
    return write(folder / name, *films)


def _json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def lifter(path: Path, model: str = "d3dp", frames: int = 9) -> Path:
    """A tiny lifter with drawn weights as a file."""
    path.write_bytes(models.serialised(models.build(model, size="tiny", frames=frames, width=16, init="warm", seed=0)))
    return path
