"""A video of any length through a lifter of F frames: overlapping windows, blended.

Every window overlaps its neighbours by half and counts with a weight that rises and falls as a squared sine, so its
share is all but zero where it begins and where it ends. And the noise that hypotheses are drawn from belongs to the
video's frames, not to a window: where two windows overlap, their hypotheses begin from the same draws.

Legend: W windows, B windows of a batch, K denoising steps, H hypotheses, F frames of a window, T frames, J joints,
A values of a joint that are diffused.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ablate import seeds
from ablate.data.arrays import Array
from ablate.data.skeleton import NAMES
from ablate.data.windows import Index
from ablate.errors import NotFinite
from ablate.metrics import spread

FRAMES_AT_ONCE = 2048  # of all windows of a batch: what bounds the memory, whatever the video's length


class Lifts(Protocol):
    """What is asked of a lifter, which is an nn.Module."""

    @property
    def channels(self) -> int: ...

    def lift(self, x2d_BFJ2: Tensor, *, hypotheses: int, steps: int, flip: bool, noise: Tensor) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a window is lifted: so many ``hypotheses`` in so many denoising ``steps``, ``flip`` averaged or not."""

    hypotheses: int = 1
    steps: int = 1
    flip: bool = True
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Poses:
    """``pose_TJ3`` float32 metres in camera axes, relative to the root, whose own row is zero: the mean of the
    hypotheses. ``spread_TJ`` float32: their standard deviation, metres, NaN for a single one."""

    pose_TJ3: Array
    spread_TJ: Array


def starts(length: int, frames: int) -> Index:
    """First frames of windows over ``length`` frames, each half over the one before; the last ends with the video.

    A video shorter than a window lies in the middle of one, which then starts before it.
    """
    if length <= frames:
        return np.array([-((frames - length) // 2)])
    return np.append(np.arange(0, length - frames, max(1, frames // 2)), length - frames)


def blend(frames: int) -> Array:
    """The weight of each frame of a window."""
    weight_F: Array = np.sin(np.pi * (np.arange(frames) + 0.5) / frames) ** 2
    return weight_F


def lift(
    lifter: Lifts,
    frames: int,
    x2d_TJ2: Array,
    how: Sampling,
    device: torch.device,
    advance: Callable[[int], object] = lambda windows: None,
) -> Poses:
    """Lift normalised 2D joints (T, 17, 2) at the lifter's rate; ``lifter`` is left on ``device`` in evaluation mode.

    ``advance`` hears of the windows that each batch finished. The result depends on the seed and on nothing else than
    the poses. Raises NotFinite where the lifter's poses aren't finite, ValueError for a sampling that isn't its own.
    """
    assert isinstance(lifter, nn.Module)
    lifter.to(device).eval()
    length, weight_F = len(x2d_TJ2), blend(frames).astype(np.float32)
    pose_TJ3, variance_TJ = np.zeros((length, len(NAMES), 3), np.float32), np.zeros((length, len(NAMES)), np.float32)
    total_T = np.zeros(length, np.float32)
    start_W = starts(length, frames)
    for batch in np.array_split(start_W, math.ceil(len(start_W) / max(1, FRAMES_AT_ONCE // frames))):
        frame_BF = batch[:, None] + np.arange(frames)
        x2d_BFJ2 = torch.from_numpy(x2d_TJ2[np.clip(frame_BF, 0, length - 1)]).to(device)
        noise_KBHFJA = torch.from_numpy(draws(batch, frames, how, lifter.channels)).to(device)
        with torch.inference_mode():
            lifted_BHFJ3 = lifter.lift(
                x2d_BFJ2, hypotheses=how.hypotheses, steps=how.steps, flip=how.flip, noise=noise_KBHFJA
            )[:, -1]
            mean_BFJ3 = lifted_BHFJ3.mean(dim=1)
            several = how.hypotheses > 1
            variance_BFJ = spread(lifted_BHFJ3) if several else torch.full_like(mean_BFJ3[..., 0], torch.nan)
        if not bool(mean_BFJ3.isfinite().all()):
            raise NotFinite("the lifter's poses are not finite; its weights are damaged")
        for at_F, mean_FJ3, variance_FJ in zip(
            frame_BF, mean_BFJ3.cpu().numpy(), variance_BFJ.cpu().numpy(), strict=True
        ):
            inside_F = (at_F >= 0) & (at_F < length)
            at, weight = slice(at_F[inside_F][0], at_F[inside_F][-1] + 1), weight_F[inside_F]
            pose_TJ3[at] += weight[:, None, None] * mean_FJ3[inside_F]
            variance_TJ[at] += weight[:, None] * variance_FJ[inside_F]
            total_T[at] += weight
        advance(len(batch))
    pose_TJ3 /= total_T[:, None, None]
    pose_TJ3[:, 0] = 0
    variance_TJ /= total_T[:, None]
    return Poses(pose_TJ3=pose_TJ3, spread_TJ=np.sqrt(variance_TJ))


def draws(start_B: Index, frames: int, how: Sampling, channels: int) -> Array:
    """The noise of windows, float32 (K, B, H, F, J, A), cut from that of the video's frames.

    It is drawn in blocks of F frames, each at its own address, hypothesis by hypothesis: so it depends on the seed and
    the frame alone, and the first of many hypotheses have the draws of a run with few.
    """
    noise_KBHFJA = np.empty((how.steps, len(start_B), how.hypotheses, frames, len(NAMES), channels), np.float32)
    block = _blocks(frames, how, channels)
    for place, start in enumerate(start_B.tolist()):
        number, offset = divmod(start, frames)
        whole_HKTJA = np.concatenate([block(number), block(number + 1)], axis=2)
        noise_KBHFJA[:, place] = whole_HKTJA[:, :, offset : offset + frames].swapaxes(0, 1)
    return noise_KBHFJA


def _blocks(frames: int, how: Sampling, channels: int) -> Callable[[int], Array]:
    @lru_cache(maxsize=2)
    def block(number: int) -> Array:
        shape_HKFJA = (how.hypotheses, how.steps, frames, len(NAMES), channels)
        return seeds.stream(how.seed, "lift", number).standard_normal(shape_HKFJA, np.float32)

    return block
