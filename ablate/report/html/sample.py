"""The window of the test split that a page shows: which frames each configuration keeps of it, and its poses.

Legend: F frames, J joints, H hypotheses. Poses are kept as int16 millimetres, kept frames as a bit each, both base64.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ablate.data.bones import SIDES
from ablate.data.skeleton import BONES, NAMES
from ablate.records import Record

STAGES = {"tcep": "TCEP", "mgptp": "MGPTP"}

# Skeletons take most of a page: they are carried up to so many characters, the hypotheses on a coarser clock.
ROOM = 800_000
HYPOTHESES, HYPOTHESIS_FRAMES = 5, 81
MOST = 40  # configurations with skeletons, however small these are


def sample(shown: Mapping[str, Record], first: Iterable[str]) -> dict[str, Any]:
    """The windows, what each configuration keeps of its own (None where its record holds no window), and the skeletons
    of those that fit, by its place: the configurations ``first``, then others evenly.

    ``shown`` holds a record of each configuration by label, in the report's order. Records without ``sample/...`` give
    no skeletons, those without ``strip/motion`` nothing.
    """
    labels = list(shown)
    places: dict[bytes, int] = {}
    windows: list[dict[str, Any]] = []
    kept: list[dict[str, Any] | None] = []
    for record in shown.values():
        arrays = record.arrays
        if "strip/motion" not in arrays:
            kept.append(None)
            continue
        motion_F = np.asarray(arrays["strip/motion"])
        place = places.setdefault(motion_F.tobytes(), len(places))
        if place == len(windows):
            windows.append(_window(motion_F, record))
        stages = [[n, _mask(arrays[f"strip/{s}"], len(motion_F))] for s, n in STAGES.items() if f"strip/{s}" in arrays]
        kept.append({"window": place, "stages": stages, "count": record.compute.get("kept_frames") or len(motion_F)})
    drawn = ((i, windows[own["window"]], shown[labels[i]].arrays) for i in _order(labels, first) if (own := kept[i]))
    poses = _poses(drawn)
    bones = [[*bone, side] for bone, side in zip(BONES, SIDES, strict=True)]
    return {"windows": windows, "kept": kept, "poses": poses, "joints": len(NAMES), "bones": bones}


def _window(motion_F: np.ndarray, record: Record) -> dict[str, Any]:
    rates = record.data.get("fps", ())
    known = {"fps": rates[0]} if len(rates) == 1 else {}
    return {"motion": [float(f"{value:.3g}") for value in motion_F]} | known


def _poses(candidates: Iterable[tuple[int, dict[str, Any], Mapping[str, np.ndarray]]]) -> dict[int, dict[str, Any]]:
    """The skeletons of those candidates (index, window, arrays) that hold some, in this order, as long as they fit; the
    truth is put into their windows."""
    poses: dict[int, dict[str, Any]] = {}
    room = ROOM
    for index, window, arrays in candidates:
        if "sample/pose" not in arrays:
            continue
        pose = _pose(arrays)
        truth = {} if "truth" in window else {"truth": _millimetres(arrays["sample/truth"])}
        room -= sum(map(len, (pose["mean"], *pose.get("hypotheses", ()), *truth.values())))
        if room < 0 or len(poses) == MOST:
            break
        poses[index] = pose
        window.update(truth)
    return poses


def _pose(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    pose: dict[str, Any] = {"mean": _millimetres(arrays["sample/pose"])}
    if "sample/hypotheses" in arrays:
        some_HFJ3 = arrays["sample/hypotheses"][:HYPOTHESES]
        every = -(-some_HFJ3.shape[1] // HYPOTHESIS_FRAMES)
        pose |= {"hypotheses": [_millimetres(one_FJ3[::every]) for one_FJ3 in some_HFJ3], "every": every}
    return pose


def _millimetres(pose_FJ3: np.ndarray) -> str:
    """Metres as base64 of little-endian int16 millimetres; what lies beyond 32 m is drawn there."""
    limits = np.iinfo(np.int16)
    return _base64(np.clip(np.rint(pose_FJ3 * 1000), limits.min, limits.max).astype("<i2"))


def _mask(kept_N: np.ndarray, frames: int) -> str:
    """A bit a frame, the lowest first."""
    mask_F = np.zeros(frames, dtype=bool)
    mask_F[kept_N] = True
    return _base64(np.packbits(mask_F, bitorder="little"))


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


def _order(labels: Sequence[str], first: Iterable[str]) -> Iterator[int]:
    """``first`` before the others, these evenly over the report's order: the ends, then halves, then quarters."""
    places = {label: i for i, label in enumerate(labels)}
    chosen = dict.fromkeys(places[label] for label in first if label in places)
    count = len(labels)
    pieces = 1
    while pieces < 2 * count:
        chosen |= dict.fromkeys(i * (count - 1) // pieces for i in range(pieces + 1))
        pieces *= 2
    return iter(chosen)
