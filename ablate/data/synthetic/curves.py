"""Smooth curves over time, of which motion is made.

Legend: T frames, K keys, A values of a key.
"""

import math

import numpy as np

from ablate.data.arrays import Array

FPS = 50.0


def seconds(frames: int) -> Array:
    """The time (T,) of each frame."""
    return np.arange(frames) / FPS


def ease(share: Array) -> Array:
    """0 to 1 with speed and acceleration zero at both ends: how a limb moves by itself (Flash & Hogan 1985)."""
    s = np.clip(share, 0, 1)
    level: Array = s**3 * (10 - 15 * s + 6 * s**2)
    return level


def ease_way(share: Array) -> Array:
    """The integral of ``ease`` from 0: how far something is that gets up to speed 1 while ``share`` goes to 1."""
    s = np.clip(share, 0, 1)
    way: Array = s**4 * (2.5 - 3 * s + s**2) + np.maximum(share - 1, 0)
    return way


def keyed(time_T: Array, begin_K: Array, length_K: Array, value_KA: Array) -> Array:
    """Values (T, A) that rest at ``value_KA[0]`` and ease to ``value_KA[k]`` from ``begin_K[k]`` on.

    Move k takes ``length_K[k]`` seconds. Moves may overlap: each adds its own difference, so the curve stays smooth.
    """
    share_TK = (time_T[:, None] - begin_K[1:]) / length_K[1:]
    value_TA: Array = value_KA[0] + ease(share_TK) @ np.diff(value_KA, axis=0)
    return value_TA


def begins(rng: np.random.Generator, length: float, shortest: float, longest: float) -> Array:
    """Times (K,) that go on by steps between ``shortest`` and ``longest`` seconds past ``length``.

    They begin up to ``longest`` seconds before 0, so that a clip opens in the middle of things.
    """
    steps = rng.uniform(shortest, longest, math.ceil((length + longest) / shortest) + 1)
    times_K: Array = np.cumsum(np.concatenate([-rng.uniform(0, longest, 1), steps]))
    return times_K[: int(np.searchsorted(times_K, length)) + 1]


def sway(rng: np.random.Generator, time_T: Array, count: int, fastest: float) -> Array:
    """Slow, aimless curves (T, count) of about unit size, with no faster part than ``fastest`` Hz."""
    rate_5A = rng.uniform(0.08, fastest, (5, count))
    phase_5A = rng.uniform(0, 2 * math.pi, (5, count))
    waves_T5A = np.sin(2 * math.pi * rate_5A * time_T[:, None, None] + phase_5A)
    curves_TA: Array = waves_T5A.sum(axis=1) * math.sqrt(2 / 5)
    return curves_TA


def periodic(table: tuple[float, ...], phase_T: Array) -> Array:
    """The smoothest periodic curve through ``table``, given at even steps of a cycle, at ``phase_T`` (in cycles)."""
    waves = np.fft.rfft(table) / len(table)
    order = np.arange(len(waves))
    weight = np.where((order == 0) | (2 * order == len(table)), 1.0, 2.0)
    angle_TX = 2 * math.pi * phase_T[..., None] * order
    curve_T: Array = (np.cos(angle_TX) * waves.real - np.sin(angle_TX) * waves.imag) @ weight
    return curve_T


def activity(rng: np.random.Generator, time_T: Array, busy: tuple[float, float], idle: tuple[float, float]) -> Array:
    """A level (T,) that changes between spells of work, each of its own vigour around 1, and pauses at 0.

    ``busy`` and ``idle`` bound the seconds of a spell and of a pause.
    """
    begin, level = [0.0], [0.0]
    working = rng.random() < 0.5
    clock = rng.uniform(0.0, 0.4)
    while clock < time_T[-1]:
        working = not working
        begin.append(clock)
        level.append(rng.uniform(0.75, 1.2) if working else 0.0)
        clock += rng.uniform(*(busy if working else idle))
    length_K = rng.uniform(0.4, 0.7, len(begin))
    return np.maximum(keyed(time_T, np.array(begin), length_K, np.array(level)[:, None])[:, 0], 0)
