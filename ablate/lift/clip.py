"""The clip: what a file of keypoints and its user's options come to, checked and ready to be lifted.

Legend: N detections, S keypoints that were seen, T frames, J = 17 joints.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ablate.data.keypoints import KEYPOINTS, list_of
from ablate.data.skeleton import NAMES, PARENTS
from ablate.errors import DataError, InputError
from ablate.lift.detections import Detections
from ablate.lift.filling import Track, track
from ablate.lift.people import people
from ablate.lift.placing import assumed_focal
from ablate.lift.reading import read

RATE = 50.0  # frames a second of Human3.6M, and of all motion that lifters here are trained on
OUTSIDE, BESIDE = 0.2, 0.2  # what share of keypoints may lie how far, in shares of the picture, outside it
SHARES = 2.0  # keypoints that are all nearer to 0 than this are no pixels


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to lift, and how. ``None`` stands for what the file says, or for what suits the lifter.

    ``format`` is a name of reading, ``joints`` one of ablate.data.keypoints; ``auto`` tells either by its look. ``fps``
    of the video, ``size`` of its picture in pixels, ``focal`` of its camera in pixels; ``rate``: frames a second that
    the lifter was trained at; ``min_score``: see filling; ``people``: whom alone to lift.
    """

    keypoints: Path
    checkpoint: Path | None = None
    format: str = "auto"
    joints: str = "auto"
    fps: float | None = None
    size: tuple[int, int] | None = None
    focal: float | None = None
    hypotheses: int | None = None
    steps: int | None = None
    flip: bool = True
    seed: int = 0
    people: tuple[str, ...] = ()
    rate: float = RATE
    min_score: float = 0.3
    accelerator: str = "auto"


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """The keypoints of a file, ready to be lifted: whole tracks of 17 joints in pixels, and what is known of the video.

    ``left_out``: why each of the other people is not lifted."""

    layout: str
    keypoints: str
    fps: float
    size: tuple[int, int]
    focal: float
    focal_assumed: bool
    tracks: tuple[Track, ...]
    left_out: Mapping[str, str]


def prepared(request: Request) -> Clip:
    """The clip that ``request`` names. Raises InputError where something is missing that nobody could guess."""
    found = read(request.keypoints, request.format)
    fps, size = _known(request, found)
    if found.shares:
        found = replace(found, xy_NK2=found.xy_NK2 * np.array(size, np.float32))
    keypoints = _keypoints(request, found)
    _inside(request.keypoints, found, size)
    tracks, left_out = [], {}
    every, reasons = people(found, request.people)
    for person in every:
        try:
            tracks.append(track(person, keypoints, request.min_score))
        except DataError as error:
            if len(every) == 1 or request.people:
                raise DataError(f"{request.keypoints}: person {person.label}: {error}") from error
            left_out[person.label] = str(error)
    if not tracks:
        why = "; ".join(f"person {label}: {reason}" for label, reason in left_out.items())
        raise DataError(f"{request.keypoints}: nobody can be lifted: {why}")
    return Clip(
        layout=found.layout,
        keypoints=keypoints,
        fps=fps,
        size=size,
        focal=assumed_focal(size) if request.focal is None else request.focal,
        focal_assumed=request.focal is None,
        tracks=tuple(tracks),
        left_out=left_out | reasons,
    )


def told(clip: Clip) -> dict[str, Any]:
    """What is known of a clip and of what was filled in it, in plain values."""
    return {
        "units": "m",
        "axes": "of the camera: x right, y down, z forward",
        "joints": list(NAMES),
        "parents": list(PARENTS),
        "format": clip.layout,
        "keypoints": clip.keypoints,
        "fps": clip.fps,
        "size_px": list(clip.size),
        "focal_px": clip.focal,
        "focal_assumed": clip.focal_assumed,
        "first_frame": min(track.first for track in clip.tracks),
        "people": {
            track.label: {
                "first_frame": track.first,
                "frames": len(track.x2d_TJ2),
                "frames_lost": track.lost,
                "filled_percent": 100 * track.filled,
                "filled_percent_by_joint": {name: 100 * share for name, share in track.by_joint.items()},
                "longest_gap_frames": track.gap,
            }
            for track in clip.tracks
        },
        "left_out": dict(clip.left_out),
    }


def _known(request: Request, found: Detections) -> tuple[float, tuple[int, int]]:
    """The frame rate and the picture's size. Raises InputError naming whatever neither the user nor the file says."""
    fps, size = found.fps if request.fps is None else request.fps, request.size or found.size
    missing = [
        text
        for value, text in (
            (fps, "--fps (frames a second of the video, such as 30)"),
            (size, "--size (width and height of its picture, such as 1920x1080)"),
        )
        if value is None
    ]
    if missing or fps is None or size is None:
        text = f"{request.keypoints}: a file of {found.layout} doesn't say everything of its video"
        raise InputError(f"{text}; add {' and '.join(missing)}")
    for name, value in (("fps", fps), ("size", min(size)), ("focal", request.focal), ("rate", request.rate)):
        if value is not None and not 0 < value < np.inf:
            raise InputError(f"--{name}: must be above 0, got {value:g}")
    return fps, size


def _keypoints(request: Request, found: Detections) -> str:
    """Which list the keypoints are. Raises InputError where there is none of so many, or the named one has others."""
    count = found.xy_NK2.shape[1]
    named = found.keypoints if request.joints == "auto" else request.joints
    if named is None:
        named = list_of(found.xy_NK2, found.score_NK > 0)
    known = ", ".join(f"{name} ({keypoints})" for name, keypoints in KEYPOINTS.items())
    if named is None:
        raise DataError(f"{request.keypoints}: {count} keypoints a person; the lists that are read are {known}")
    if KEYPOINTS.get(named) != count:
        raise InputError(
            f"{request.keypoints}: has {count} keypoints a person, and --joints {named}; there are {known}"
        )
    return named


def _inside(path: Path, found: Detections, size: tuple[int, int]) -> None:
    """Raises InputError where many keypoints lie outside a picture of this size."""
    seen_S2 = found.xy_NK2[found.score_NK > 0]
    if np.abs(seen_S2).max() < SHARES:
        raise InputError(
            f"{path}: its keypoints lie within 0..{SHARES:g}, so these are no pixels; write them in pixels"
        )
    around = np.array(size) * BESIDE
    share = ((seen_S2 < -around) | (seen_S2 > np.array(size) + around)).any(axis=1).mean()
    if share > OUTSIDE:
        reach = "x".join(f"{value:.0f}" for value in np.quantile(seen_S2, 0.99, axis=0))
        raise InputError(
            f"{path}: {100 * share:.0f} % of its keypoints lie outside a picture of {size[0]}x{size[1]} (most reach "
            f"{reach}); give the --size of the picture that the detector saw"
        )
