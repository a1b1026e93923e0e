"""Skeletons for made-up records: a stick figure that waves, and what a lifter might have made of it."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ablate.records import Record
from tests.report import factory

# Hip, right leg, left leg, spine to head; left arm, right arm: centimetres, y down.
_BODY = [(0, 0), (-13, 0), (-13, 45), (-13, 90), (13, 0), (13, 45), (13, 90), (0, -25), (0, -50), (0, -62), (0, -74)]
_ARMS = [(17, -48), (30, -22), (32, 4), (-17, -48), (-30, -22), (-32, 4)]
STANDING = np.array(_BODY + _ARMS)
LEFT_ARM = (12, 13)


def truth(frames: int = factory.FRAMES) -> np.ndarray:
    """(F, 17, 3) float32, metres, root-relative: the left arm goes up and down, the body leans a little."""
    pose_FJ3 = np.zeros((frames, 17, 3))
    pose_FJ3[..., :2] = STANDING / 100
    angle_F = np.linspace(0, 4 * np.pi, frames)
    for joint in LEFT_ARM:
        reach = 0.3 * (joint - 11)
        pose_FJ3[:, joint, 1] = -0.48 + reach * np.cos(angle_F)
        pose_FJ3[:, joint, 2] = -reach * np.sin(angle_F)
    pose_FJ3[:, 7:, 2] += 0.05 * np.sin(angle_F)[:, None]
    return pose_FJ3.astype(np.float32)


def posed(record: Record, hypotheses: int = 1) -> Record:
    """``record`` with the ``sample/...`` that an evaluation with so many hypotheses keeps."""
    rng = np.random.default_rng([record.seed, round(1e6 * record.value("mpjpe", "test"))])
    motion_F = factory.strip(1.0, 1.0)["strip/motion"]
    truth_FJ3 = truth(len(motion_F))
    cloud_HFJ3 = truth_FJ3 + rng.normal(0, 0.03, (hypotheses, 1, 17, 3)) + rng.normal(0, 0.004, truth_FJ3.shape)
    arrays = {**record.arrays, "strip/motion": motion_F, "sample/truth": truth_FJ3}
    arrays |= {"sample/pose": cloud_HFJ3.mean(axis=0).astype(np.float32)}
    arrays |= {"sample/input": truth_FJ3[..., :2] / 4}
    if hypotheses > 1:
        arrays["sample/hypotheses"] = cloud_HFJ3.astype(np.float32)
    return replace(record, arrays=arrays)


def study(seeds: Sequence[int] = (0, 1, 2), *, hypotheses: int = 1, steps: int = 1) -> list[Record]:
    """The factory's study, with poses."""
    return [posed(record, hypotheses) for record in factory.study(seeds, hypotheses=hypotheses, steps=steps)]


def many(cells: int, seeds: Sequence[int], *, hypotheses: int = 1) -> list[Record]:
    """The dense baseline and pruned configurations, so many in all, with poses."""
    grid = itertools.product(np.linspace(0.05, 0.95, 40), np.linspace(0.02, 0.5, -(-cells // 40)))
    chosen = [("d3dp", 1.0, 1.0), *(("htp", float(keep), float(clusters)) for keep, clusters in grid)][:cells]
    made = [factory.record(*cell, seed, hypotheses=hypotheses, steps=2) for cell in chosen for seed in seeds]
    return [posed(record, hypotheses) for record in made]
