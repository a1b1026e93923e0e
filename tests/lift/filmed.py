"""Motion filmed by a camera of its own, and told as a detector of COCO's keypoints would tell it.

Nothing of the program's own cameras, noise or joint mapping is used here: what lifts is to be tested against another
hand's picture of the world.

Legend: T frames, J = 17 joints of Human3.6M, K = 17 keypoints of COCO.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ablate.data.config import DataConfig
from ablate.data.recording import Recording
from ablate.data.synthetic import read
from tests.motion import recording

Array = npt.NDArray[np.floating[Any]]

NECK_NOSE, HEAD, LEFT_SHOULDER, RIGHT_SHOULDER = 9, 10, 11, 14
# COCO's body keypoints, from the shoulders on, among Human3.6M's joints.
BODY = (11, 14, 12, 15, 13, 16, 4, 1, 5, 2, 6, 3)
# Metres to the left, forward and up of the middle between the ears: nose, eyes, ears of an adult.
FACE = np.array([(0, 0.10, -0.01), (0.032, 0.075, 0.02), (-0.032, 0.075, 0.02), (0.073, 0, 0), (-0.073, 0, 0)])
BELOW_HEAD = 0.03  # metres from the head's joint down to the middle between the ears
# How far COCO's annotators are apart, as a share of the root of a person's area; a detector is taken to err half of it.
APART_K = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
MEMORY = 0.9  # of an error, from frame to frame at 50 Hz


@dataclass(frozen=True, kw_only=True, eq=False)
class Film:
    """``xy_TK2`` pixels and ``score_TK`` of COCO's keypoints, with noise; ``truth_TJ3`` metres in the camera's axes."""

    xy_TK2: Array
    score_TK: Array
    truth_TJ3: Array
    fps: float
    size: tuple[int, int]
    focal: float


def film(
    world_TJ3: Array,
    rng: np.random.Generator,
    *,
    fps: float = 50.0,
    size: tuple[int, int] = (1920, 1080),
    focal: float = 1900.0,
    noise: float = 0.5,
) -> Film:
    """One shot of motion (metres, z up) from a drawn side, far enough away that it stays in the picture.

    ``noise``: the detector's errors as a share of what annotators are apart; its scores are about 0.9.
    """
    truth_TJ3 = _seen(world_TJ3.astype(np.float64), rng, size, focal)
    keypoint_TK3 = keypoints(truth_TJ3)
    xy_TK2 = keypoint_TK3[..., :2] / keypoint_TK3[..., 2:] * focal + np.array(size) / 2
    xy_TK2 = xy_TK2 + noise * _errors(xy_TK2, fps, rng)
    score_TK = np.clip(rng.normal(0.9, 0.04, xy_TK2.shape[:2]), 0.6, 1)
    return Film(xy_TK2=xy_TK2, score_TK=score_TK, truth_TJ3=truth_TJ3, fps=fps, size=size, focal=focal)


def keypoints(joints_TJ3: Array) -> Array:
    """COCO's keypoints (T, 17, 3) of Human3.6M's joints, in any right-handed axes: the body's as they are, a face at
    fixed places of the head."""
    up_T3 = _unit(joints_TJ3[:, HEAD] - joints_TJ3[:, NECK_NOSE])
    across_T3 = joints_TJ3[:, LEFT_SHOULDER] - joints_TJ3[:, RIGHT_SHOULDER]
    left_T3 = _unit(across_T3 - (across_T3 * up_T3).sum(-1, keepdims=True) * up_T3)
    axes_T33 = np.stack([left_T3, np.cross(left_T3, up_T3), up_T3], axis=1)
    middle_T3 = joints_TJ3[:, HEAD] - BELOW_HEAD * up_T3
    return np.concatenate([middle_T3[:, None] + FACE @ axes_T33, joints_TJ3[:, list(BODY)]], axis=1)


def _seen(world_TJ3: Array, rng: np.random.Generator, size: tuple[int, int], focal: float) -> Array:
    """Camera axes (x right, y down, z forward) of a camera at 0.8 to 2.2 m that looks at the middle of the motion."""
    low, high = world_TJ3.min(axis=(0, 1)), world_TJ3.max(axis=(0, 1))
    middle = (low + high) / 2
    reach = float(np.linalg.norm((world_TJ3 - middle)[..., :2], axis=-1).max())
    room = max(2 * focal / size[0] * reach, focal / size[1] * float(high[2] - low[2]))
    distance = max(rng.uniform(3, 6), reach + 1.1 * room)
    azimuth, height = rng.uniform(0, 2 * math.pi), rng.uniform(0.8, 2.2)
    centre = np.array([middle[0] + distance * math.cos(azimuth), middle[1] + distance * math.sin(azimuth), height])
    forward = _unit(middle - centre)
    right = _unit(np.cross(forward, (0, 0, 1)))
    seen_TJ3: Array = (world_TJ3 - centre) @ np.stack([right, np.cross(forward, right), forward], axis=1)
    return seen_TJ3


def _errors(xy_TK2: Array, fps: float, rng: np.random.Generator) -> Array:
    """Unit errors (T, K, 2) scaled to pixels, which last for some frames."""
    box_T2 = xy_TK2.max(axis=1) - xy_TK2.min(axis=1)
    scale_T = np.sqrt(0.53 * box_T2.prod(axis=-1))
    memory = MEMORY ** (50 / fps)
    errors: Array = rng.standard_normal(xy_TK2.shape)
    for frame in range(1, len(errors)):
        errors[frame] = memory * errors[frame - 1] + math.sqrt(1 - memory**2) * errors[frame]
    errors *= scale_T[:, None, None] * APART_K[:, None]
    return errors


def swaying(frames: int, seed: int = 0) -> Array:
    """Somebody who sways and swings every joint (T, 17, 3), metres, z up, at 50 Hz."""
    return recording("Swaying", "Swaying", frames, seed).world_TJ3


def walking(seconds: float = 2) -> Array:
    """Somebody of the program's own synthetic motion (T, 17, 3) who walks."""
    (found, *_) = read(DataConfig(clip_seconds=seconds)).splits["test"]
    assert isinstance(found, Recording)
    return found.world_TJ3


def _unit(vector_3: Array) -> Array:
    unit: Array = vector_3 / np.linalg.norm(vector_3, axis=-1, keepdims=True)
    return unit
