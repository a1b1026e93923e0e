"""Who moves: bodies and manners, drawn for each subject, and how they stand.

Legend: T frames, S sides.
"""

from dataclasses import dataclass

import numpy as np

from ablate.data.arrays import Array
from ablate.data.synthetic.body import Body, Motion
from ablate.data.synthetic.curves import sway


@dataclass(frozen=True, kw_only=True)
class Person:
    """A body and its manners. ``pace`` scales tempo, ``stride`` the legs' and ``swing`` the arms' amplitude;
    ``stoop``, ``carry`` (arms off the trunk), ``elbow`` and ``spread`` (of the legs) are degrees; ``hand`` is the
    preferred side; ``unrest`` scales the small motion that never stops."""

    body: Body
    pace: float
    stride: float
    swing: float
    stoop: float
    carry: float
    elbow: float
    spread: float
    unrest: float
    hand: int


def draw(rng: np.random.Generator) -> Person:
    """A person of 1.5 to 1.95 m, with own proportions."""
    stature = rng.uniform(1.5, 1.95) / 1.72
    legs, arms, width = stature * rng.uniform(0.96, 1.04, 3)
    trunk = stature * stature / legs
    body = Body(
        hip=0.115 * width,
        thigh=0.44 * legs,
        shin=0.43 * legs,
        lower_back=0.225 * trunk,
        upper_back=0.24 * trunk,
        neck=0.13 * stature,
        head=0.12 * stature,
        shoulder=0.165 * width,
        upper_arm=0.285 * arms,
        forearm=0.25 * arms,
    )
    return Person(
        body=body,
        pace=rng.uniform(0.88, 1.12),
        stride=rng.uniform(0.85, 1.1),
        swing=rng.uniform(0.6, 1.3),
        stoop=rng.uniform(-2, 7),
        carry=rng.uniform(4, 10),
        elbow=rng.uniform(12, 25),
        spread=rng.uniform(1, 5),
        unrest=rng.uniform(0.7, 2.0),
        hand=int(rng.random() < 0.8),
    )


def stand(person: Person, rng: np.random.Generator, time_T: Array) -> Motion:
    """Standing at ease: the start of every action, with the small motion that never stops."""
    frames, unrest = len(time_T), person.unrest
    motion = Motion(
        heading_T=np.full(frames, rng.uniform(0, 360)),
        pelvis_T3=unrest * sway(rng, time_T, 3, 0.4) * [0.4, 0.6, 1.5],
        spine_T3=unrest * sway(rng, time_T, 3, 0.4) * [0.8, 1.0, 1.5] + [0, 0.5 * person.stoop, 0],
        chest_T3=unrest * sway(rng, time_T, 3, 0.4) * [0.8, 1.0, 1.5] + [0, 0.5 * person.stoop, 0],
        head_T3=unrest * sway(rng, time_T, 3, 0.6) * [2, 3, 6] + [0, -0.7 * person.stoop, 0],
        hip_TS3=np.tile(np.array([1.0, person.spread, 0.0]), (frames, 2, 1)),
        knee_TS=np.full((frames, 2), 3.0),
        foot_TS=np.zeros((frames, 2)),
        shoulder_TS3=unrest * sway(rng, time_T, 6, 0.5).reshape(frames, 2, 3) * [2, 1, 3] + [-2, person.carry, 15],
        elbow_TS=unrest * sway(rng, time_T, 2, 0.5) * 1.5 + person.elbow,
        bounce_T=np.zeros(frames),
    )
    # Both legs lean together, so that the body sways over feet that stay where they are.
    lean_T2 = sway(rng, time_T, 2, 0.3) * [0.5, 0.7] * unrest
    motion.hip_TS3[..., 0] += lean_T2[:, :1] + rng.normal(0, 1) * np.array([1, -1])
    motion.hip_TS3[..., 1] += lean_T2[:, 1:] * [1, -1]
    return motion
