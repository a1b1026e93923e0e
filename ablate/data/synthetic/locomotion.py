"""Actions on moving feet: walking, running, turning, stepping.

The joint curves of a cycle follow the shape of measured gait (D. Winter, The Biomechanics and Motor Control of Human
Gait), in steps of a tenth of a cycle from the heel's strike on. Legend: T frames, S sides.
"""

import math
from dataclasses import dataclass

import numpy as np

from ablate.data.arrays import Array
from ablate.data.synthetic.body import Motion
from ablate.data.synthetic.curves import FPS, begins, ease, ease_way, keyed, periodic, sway
from ablate.data.synthetic.people import Person, stand


@dataclass(frozen=True, kw_only=True)
class Gait:
    """One cycle of a leg (degrees), cycles a second, metres a second, and how the rest of the body goes along.

    ``passing`` is the phase at which the planted leg is upright and the other one passes it.
    """

    hip: tuple[float, ...]
    knee: tuple[float, ...]
    foot: tuple[float, ...]
    cadence: float
    speed: float
    lean: float
    arm: float
    elbow: float
    bounce: float
    glide: float
    passing: float


WALK = Gait(
    hip=(23, 18, 9, 0, -9, -15, -10, 5, 19, 27),
    knee=(6, 13, 12, 7, 4, 14, 37, 55, 48, 26),
    foot=(18, 2, 0, 0, -8, -28, -56, -40, -4, 16),
    cadence=0.9,
    speed=1.2,
    lean=2,
    arm=20,
    elbow=12,
    bounce=0,
    glide=0.04,
    passing=0.28,
)
RUN = Gait(
    hip=(30, 26, 13, -4, -17, -18, 2, 28, 46, 46),
    knee=(16, 36, 38, 24, 18, 44, 84, 104, 90, 46),
    foot=(6, 0, -5, -35, -65, -70, -75, -50, -20, 5),
    cadence=1.35,
    speed=2.6,
    lean=8,
    arm=32,
    elbow=75,
    bounce=0.05,
    glide=0.1,
    passing=0.22,
)
GROWS, FADES = 0.2, 0.25  # cycles over which a spell's strides come up and die down
CLEAR = 15  # degrees that a leg which swings in a small stride lifts its thigh, so that the foot clears the floor


def _go(gait: Gait, person: Person, motion: Motion, level_T: Array, phase_T: Array) -> None:
    """Lay a gait over standing, as much of it as ``level_T`` says, at ``phase_T`` cycles."""
    phase_TS = phase_T[:, None] + [0, 0.5]
    much_TS = level_T[:, None]
    motion.hip_TS3[..., 0] += much_TS * periodic(gait.hip, phase_TS) * person.stride
    motion.hip_TS3[..., 1] -= 0.6 * much_TS * person.spread
    motion.knee_TS += much_TS * periodic(gait.knee, phase_TS)
    motion.foot_TS += much_TS**2 * periodic(gait.foot, phase_TS)
    swing_TS = np.maximum(-np.sin(2 * math.pi * phase_TS), 0) ** 2
    clear_TS = CLEAR * 4 * much_TS * (1 - much_TS) * swing_TS
    motion.hip_TS3[..., 0] += clear_TS
    motion.knee_TS += 2 * clear_TS
    stride_TS = np.cos(2 * math.pi * phase_TS)
    opposite_TS = stride_TS[:, ::-1]
    motion.shoulder_TS3[..., 0] += much_TS * (gait.arm * person.swing * opposite_TS - 4)
    motion.elbow_TS += much_TS * (gait.elbow + 0.35 * gait.arm * person.swing * opposite_TS)
    much_T, twist_T = much_TS[:, 0], stride_TS[:, 0]
    motion.pelvis_T3[:, 1] += much_T * gait.lean
    motion.pelvis_T3[:, 2] -= much_T * 5 * twist_T
    motion.pelvis_T3[:, 0] -= much_T * 3 * np.sin(2 * math.pi * phase_T)
    motion.spine_T3[:, 0] += much_T * 3 * np.sin(2 * math.pi * phase_T)
    motion.spine_T3[:, 2] += much_T * 5 * twist_T
    motion.chest_T3[:, 2] += much_T * 6 * twist_T
    motion.head_T3[:, 2] -= much_T * 6 * twist_T
    motion.bounce_T += much_T**2 * gait.bounce * np.maximum(np.cos(4 * math.pi * (phase_T - 0.42)), 0) ** 1.5


def _strides(rng: np.random.Generator, time_T: Array, cadence: float, passing: float) -> tuple[Array, Array]:
    """How much gait there is (T,) and its phase (T,) in cycles: spells of whole steps, with pauses between.

    A spell begins and ends with the legs side by side. Its strides grow while the planted leg is behind the body and
    fade while it is before it: a planted leg that came back from behind would carry the body backward.
    """
    level_T, phase_T = np.zeros((2, len(time_T)))
    phase_T += passing + rng.choice([0, 0.5])
    clock = rng.uniform(-2, 0.4)
    while clock < time_T[-1]:
        cycles = rng.integers(4, 9) / 2
        rate, start, stop = cadence * rng.uniform(0.92, 1.06), *rng.uniform(0.8, 1.2, 2)
        end = clock + cycles / rate + (start + stop) / 2
        done_T = rate * (start * ease_way((time_T - clock) / start) - stop * ease_way(1 - (end - time_T) / stop))
        share_T = np.clip(done_T / GROWS, 0, 1) * np.clip((cycles - done_T) / FADES, 0, 1)
        level_T += rng.uniform(0.85, 1) * np.sin(math.pi / 2 * share_T)
        phase_T += done_T
        clock = end + rng.uniform(0.3, 1.1)
    return level_T, phase_T


def _travel(gait: Gait, person: Person, rng: np.random.Generator, time_T: Array, radius: float) -> Motion:
    """A gait in spells, on a wandering curve of about ``radius`` metres, leaning into it."""
    motion = stand(person, rng, time_T)
    level_T, phase_T = _strides(rng, time_T, gait.cadence * person.pace, gait.passing)
    _go(gait, person, motion, level_T, phase_T)
    curve_T = rng.choice([-1, 1]) / radius * (1 + 0.25 * sway(rng, time_T, 1, 0.3)[:, 0])
    speed_T = gait.speed * person.stride * level_T * np.gradient(phase_T) * FPS / gait.cadence
    motion.heading_T += np.degrees(np.cumsum(curve_T * speed_T) / FPS)
    motion.pelvis_T3[:, 0] -= np.degrees(np.arctan(speed_T**2 * curve_T / 9.81)) * 0.5
    motion.head_T3[:, 2] += np.clip(np.degrees(curve_T * speed_T) * 0.25, -20, 20)
    motion.glide = gait.glide
    return motion


def walking(person: Person, rng: np.random.Generator, time_T: Array) -> Motion:
    return _travel(WALK, person, rng, time_T, rng.uniform(1.2, 1.7))


def running(person: Person, rng: np.random.Generator, time_T: Array) -> Motion:
    return _travel(RUN, person, rng, time_T, rng.uniform(1.6, 2.1))


def _lift(motion: Motion, phase_T: Array, level_T: Array, height: float) -> None:
    """Step on the spot: the left foot is up in the first half of a cycle, the right one in the second."""
    up_TS = np.maximum(np.sin(2 * math.pi * (phase_T[:, None] + [0, 0.5])), 0) ** 2 * level_T[:, None]
    motion.hip_TS3[..., 0] += height * up_TS
    motion.knee_TS += 1.9 * height * up_TS
    motion.foot_TS -= 0.6 * height * up_TS
    motion.pelvis_T3[:, 0] += 0.06 * height * (up_TS[:, 0] - up_TS[:, 1])
    motion.shoulder_TS3[..., 0] += 0.5 * height * up_TS[:, ::-1] - 0.25 * height * up_TS
    motion.elbow_TS += 0.4 * height * up_TS[:, ::-1]


def turning(person: Person, rng: np.random.Generator, time_T: Array) -> Motion:
    """Turns on the spot, now a quarter and now more than half, in small steps; the head goes first."""
    motion = stand(person, rng, time_T)
    begin_K = begins(rng, time_T[-1], 0.9, 2.0)
    angle_K = rng.choice([-1, 1], len(begin_K)) * rng.uniform(60, 200, len(begin_K))
    length_K = np.maximum(np.abs(angle_K) / rng.uniform(90, 160, len(begin_K)), 0.6)
    heading_K1 = np.cumsum(np.concatenate([[0.0], angle_K[1:]]))[:, None]
    turn_T = keyed(time_T, begin_K, length_K, heading_K1)[:, 0]
    ahead_T = keyed(time_T + 0.22, begin_K, length_K, heading_K1)[:, 0] - turn_T
    motion.heading_T += turn_T
    motion.head_T3[:, 2] += np.clip(ahead_T, -50, 50)
    motion.chest_T3[:, 2] += np.clip(0.35 * ahead_T, -18, 18)
    rate_T = np.abs(np.gradient(turn_T)) * FPS
    level_T = ease(rate_T / 90)
    phase_T = rng.random() + np.cumsum(1.3 * person.pace * ease(rate_T / 40)) / FPS
    _lift(motion, phase_T, level_T, rng.uniform(16, 26))
    motion.shoulder_TS3[..., 1] += 6 * level_T[:, None]
    return motion


def stepping(person: Person, rng: np.random.Generator, time_T: Array) -> Motion:
    """Single steps forward, back and to the sides, each closed by the other foot, with spells of marching between."""
    motion = stand(person, rng, time_T)
    begin_K = begins(rng, time_T[-1], 0.8, 1.4)
    march_T = np.zeros(len(time_T))
    for i, begin in enumerate(begin_K):
        share_T = (time_T - begin) * person.pace
        if i % 4 == 3:
            march_T += ease(share_T / 0.3) * ease((1.4 - share_T) / 0.3)
        else:
            _step(motion, share_T, rng.choice([0, 90, 180, 270]) + rng.normal(0, 8), 0.8 + 0.4 * rng.random())
    phase_T = np.cumsum(0.9 * person.pace * ease(march_T)) / FPS
    _lift(motion, phase_T, np.minimum(march_T, 1), rng.uniform(32, 52))
    return motion


def _step(motion: Motion, share_T: Array, direction: float, size: float) -> None:
    """One step towards ``direction`` (degrees to the left of forward) while ``share_T`` goes from 0 to 1."""
    along, aside = math.cos(math.radians(direction)), math.sin(math.radians(direction))
    lead = 0 if aside > 0 else 1
    apart_T = (ease(share_T * 2) - ease(share_T * 2 - 1)) * size
    first_T = np.where((share_T > 0) & (share_T < 0.5), np.sin(2 * math.pi * share_T) ** 2, 0) * size
    second_T = np.where((share_T > 0.5) & (share_T < 1), np.sin(2 * math.pi * share_T) ** 2, 0) * size
    for side, sign, up_T in ((lead, 1, first_T), (1 - lead, -1, second_T)):
        motion.hip_TS3[:, side, 0] += sign * along * 17 * apart_T + 20 * up_T
        motion.hip_TS3[:, side, 1] += abs(aside) * 13 * apart_T
        motion.knee_TS[:, side] += 42 * up_T + 4 * apart_T
        motion.foot_TS[:, side] -= 15 * up_T
        motion.shoulder_TS3[:, side, 0] -= sign * along * 14 * apart_T
        motion.shoulder_TS3[:, side, 1] += abs(aside) * 10 * apart_T
