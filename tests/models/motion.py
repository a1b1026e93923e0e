"""Small windows that move: what the zoo's tests feed it."""

import math

import numpy as np
import torch
from torch import Tensor

from models.config import JOINTS


def windows(count: int, frames: int, seed: int = 0) -> Tensor:
    """(count, frames, J, 2) float32: every joint swings at its own amplitude, pace and phase about a body's place."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[None, :, None, None]
    place = rng.normal(0, 0.3, (count, 1, JOINTS, 2))
    pace, phase = rng.uniform(0.02, 0.3, (count, 1, JOINTS, 2)), rng.uniform(0, 2 * math.pi, (count, 1, JOINTS, 2))
    swing = rng.uniform(0, 0.2, (count, 1, JOINTS, 2)) * np.sin(pace * time + phase)
    return torch.from_numpy((place + swing + rng.normal(0, 0.002, swing.shape)).astype(np.float32))


def still(count: int, frames: int) -> Tensor:
    """Nobody moves."""
    return windows(count, 1).expand(-1, frames, -1, -1).contiguous()


def burst(frames: int, start: int, stop: int) -> Tensor:
    """One window that stands still but for a fast swing in ``start`` <= frame < ``stop``."""
    time = torch.arange(frames)
    inside = (time >= start) & (time < stop)
    swing = torch.where(inside, torch.sin((time - start) * 2 * math.pi / 12), torch.zeros(()))
    window = still(1, frames)
    window[:, :, 11:17, 1] += 0.4 * swing[None, :, None]
    return window


def poses(count: int, frames: int, seed: int = 1) -> Tensor:
    """(count, frames, J, 3) float32 root-relative metres."""
    flat = windows(count, frames, seed)
    deep = torch.cat([flat, windows(count, frames, seed + 1)[..., :1]], dim=-1)
    return deep - deep[:, :, :1]
