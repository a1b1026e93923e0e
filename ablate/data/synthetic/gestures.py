"""Actions on planted feet: sitting down, waving, squatting, standing still, reaching.

Legend: T frames, S sides, K keys.
"""

import math

import numpy as np

from ablate.data.arrays import Array
from ablate.data.synthetic.body import Motion
from ablate.data.synthetic.curves import activity, begins, keyed, sway
from ablate.data.synthetic.people import Person, stand


def _bend(motion: Motion, thigh_T: Array, shin_T: Array, trunk_T: Array) -> None:
    """Lower the body over both feet: thighs forward and shins back from the vertical, the trunk leaning forward."""
    motion.hip_TS3[..., 0] += (thigh_T + trunk_T)[:, None]
    motion.knee_TS += (thigh_T + shin_T)[:, None]
    motion.pelvis_T3[:, 1] += trunk_T


def _arm(motion: Motion, side: int, level_T: Array, shoulder_T3: Array, elbow_T: Array) -> None:
    """Move one arm from where it is towards these angles by ``level_T`` (0 to 1)."""
    motion.shoulder_TS3[:, side] += level_T[:, None] * (shoulder_T3 - motion.shoulder_TS3[:, side])
    motion.elbow_TS[:, side] += level_T * (elbow_T - motion.elbow_TS[:, side])


def sitting(person: Person, rng: np.random.Generator, time_T: Array) -> Motion:
    """Down on a chair and up again, with gestures and pauses while seated."""
    motion = stand(person, rng, time_T)
    begin_K, sits = [0.0], [float(rng.random() < 0.5)]
    clock = rng.uniform(0.3, 1.2)
    while clock < time_T[-1]:
        sits.append(1 - sits[-1])
        begin_K.append(clock)
        clock += rng.uniform(2.6, 4.5) if sits[-1] else rng.uniform(1.8, 2.6)
    length_K = rng.uniform(1.1, 1.6, len(sits)) / person.pace
    seat_T = keyed(time_T, np.array(begin_K), length_K, np.array(sits)[:, None])[:, 0]
    moving_T = 4 * seat_T * (1 - seat_T)
    thigh = rng.uniform(76, 90)
    _bend(motion, thigh * seat_T, 14 * moving_T + rng.uniform(-12, 6) * seat_T, 34 * moving_T - 4 * seat_T)
    motion.spine_T3[:, 1] += 12 * moving_T
    motion.head_T3[:, 1] -= 18 * moving_T
    motion.hip_TS3[..., 2] += 2 * seat_T[:, None]
    talk_T = activity(rng, time_T, (0.8, 1.8), (0.6, 1.6))
    for side in (0, 1):
        wave_T3 = sway(rng, time_T, 3, 1.6)
        _arm(motion, side, seat_T, np.array([22, 12, 25]) + 1.5 * wave_T3, 58 + 2 * wave_T3[:, 0])
        _arm(
            motion,
            side,
            np.minimum(talk_T * seat_T, 1) * rng.uniform(0.3, 0.9),
            [38, 18, 15] + 14 * wave_T3,
            88 + 20 * wave_T3[:, 1],
        )
    motion.spine_T3[:, 1] += seat_T * (3 + 4 * sway(rng, time_T, 1, 0.4)[:, 0])
    return motion


def waving(person: Person, rng: np.random.Generator, time_T: Array) -> Motion:
    """An arm goes up and waves, in bursts, then the other one or both."""
    motion = stand(person, rng, time_T)
    begin_K = begins(rng, time_T[-1], 1.2, 2.8)
    side_K = np.where(rng.random(len(begin_K)) < 0.7, person.hand, 1 - person.hand)
    up_KS = np.stack([side_K == 0, side_K == 1], axis=1).astype(float)
    up_KS[rng.random(len(begin_K)) < 0.2] = 1
    up_KS[::3] = 0
    up_TS = keyed(time_T, begin_K, rng.uniform(0.5, 0.9, len(begin_K)), up_KS)
    beat_T = activity(rng, time_T, (1.0, 2.5), (0.2, 0.7))
    rate = rng.uniform(1.3, 2.1) * person.pace
    raise_ = rng.uniform(70, 115)
    for side in (0, 1):
        swing_T = beat_T * np.sin(2 * math.pi * rate * time_T + side)
        shoulder_T3 = np.stack([15 + 4 * swing_T, raise_ + 6 * swing_T, -85 + 5 * swing_T], axis=1)
        _arm(motion, side, up_TS[:, side], shoulder_T3, 75 + 26 * swing_T)
    tilt_T = up_TS[:, 0] - up_TS[:, 1]
    motion.spine_T3[:, 0] += 4 * tilt_T
    motion.head_T3[:, 0] -= 5 * tilt_T
    return motion


def squatting(person: Person, rng: np.random.Generator, time_T: Array) -> Motion:
    """Knee bends of changing depth and tempo, arms forward or on the hips, with rests above and below."""
    motion = stand(person, rng, time_T)
    begin_K = begins(rng, time_T[-1], 0.9, 1.5)
    count = len(begin_K)
    depth_K = np.where(np.arange(count) % 2, rng.uniform(0.65, 1.0, count), rng.uniform(0, 0.12, count))
    depth_T = keyed(time_T, begin_K, rng.uniform(0.6, 1.1, count) / person.pace, depth_K[:, None])[:, 0]
    _bend(motion, 98 * depth_T, 28 * depth_T, 34 * depth_T)
    motion.hip_TS3[..., 1] += 9
    motion.spine_T3[:, 1] += 14 * depth_T
    motion.head_T3[:, 1] -= 26 * depth_T
    akimbo = rng.random() < 0.3
    for side in (0, 1):
        if akimbo:
            _arm(motion, side, np.full(len(time_T), 0.95), np.array([-22, 48, 35]), np.full(len(time_T), 92.0))
        else:
            _arm(motion, side, np.minimum(1.1 * depth_T, 1), np.array([130, 4, 0]), np.full(len(time_T), 12.0))
    return motion


def standing(person: Person, rng: np.random.Generator, time_T: Array) -> Motion:
    """Standing still: weight from one leg to the other, a look around, now and then a hand to the face or the hip."""
    motion = stand(person, rng, time_T)
    begin_K = begins(rng, time_T[-1], 1.6, 3.6)
    shift_T = keyed(time_T, begin_K, rng.uniform(0.8, 1.4, len(begin_K)), rng.uniform(-1, 1, (len(begin_K), 1)))[:, 0]
    motion.hip_TS3[..., 1] += 5 * shift_T[:, None] * [1, -1]
    loose_TS = np.maximum(shift_T[:, None] * [1, -1], 0)
    motion.hip_TS3[..., 0] += 9 * loose_TS
    motion.knee_TS += 18 * loose_TS
    motion.foot_TS -= 4 * loose_TS
    motion.pelvis_T3[:, 0] += 4 * shift_T
    motion.spine_T3[:, 0] -= 6 * shift_T
    look_K = begins(rng, time_T[-1], 1.0, 3.0)
    look_T = keyed(time_T, look_K, rng.uniform(0.4, 0.8, len(look_K)), rng.normal(0, 28, (len(look_K), 1)))[:, 0]
    motion.head_T3[:, 2] += np.clip(look_T, -60, 60)
    motion.chest_T3[:, 2] += 0.15 * look_T
    touch_T = np.minimum(activity(rng, time_T, (0.8, 1.6), (1.5, 4.0)), 1)
    fidget_T = 5 * sway(rng, time_T, 1, 2.5)[:, 0]
    target = np.array([[62, 8, 28], [-18, 45, 40], [28, 4, 48]])[rng.integers(3)]
    _arm(motion, person.hand, touch_T, target + fidget_T[:, None] * [0.6, 0.3, 0], 105 + fidget_T)
    return motion


def reaching(person: Person, rng: np.random.Generator, time_T: Array) -> Motion:
    """One hand or both go quickly to places in front, above, beside and below, rest there, and come back."""
    motion = stand(person, rng, time_T)
    begin_K = begins(rng, time_T[-1], 0.7, 1.6)
    count = len(begin_K)
    length_K = rng.uniform(0.55, 1.0, count) / person.pace
    # High and low take turns, so that a short clip has both.
    height_K = rng.uniform(20, 80, count) + 80 * ((np.arange(count) + rng.integers(2)) % 2)
    both_K = rng.random(count) < 0.3
    side_K = np.where(rng.random(count) < 0.7, person.hand, 1 - person.hand)
    out_K = rng.uniform(-15, 60, count)
    reach_KS = np.stack([(side_K == 0) | both_K, (side_K == 1) | both_K], axis=1).astype(float)
    reach_KS[::3] = 0
    target_K3 = np.stack([height_K, out_K, rng.uniform(-10, 40, count)], axis=1)
    low_K = np.clip((75 - height_K) / 55, 0, 1) * reach_KS.max(axis=1)
    level_TS = keyed(time_T, begin_K, length_K, reach_KS)
    target_T3 = keyed(time_T, begin_K, length_K, target_K3)
    low_T = keyed(time_T, begin_K, length_K * 1.2, low_K[:, None])[:, 0]
    bent_T = keyed(time_T, begin_K, length_K, rng.uniform(5, 45, (count, 1)))[:, 0]
    fumble_T4 = rng.uniform(1, 5) * sway(rng, time_T, 4, 1.2)
    for side in (0, 1):
        _arm(motion, side, level_TS[:, side], target_T3 + fumble_T4[:, :3], bent_T + np.abs(fumble_T4[:, 3]))
    twist_T = level_TS[:, 1] - level_TS[:, 0]
    _bend(motion, 42 * low_T, 22 * low_T, 42 * low_T)
    motion.spine_T3 += np.stack([0 * low_T, 24 * low_T + 4 * level_TS.max(axis=1), 8 * twist_T], axis=1)
    motion.chest_T3[:, 2] += 9 * twist_T
    motion.head_T3 += np.stack(
        [0 * low_T, 10 * low_T - 0.12 * level_TS.max(axis=1) * (target_T3[:, 0] - 90), -8 * twist_T], axis=1
    )
    return motion
