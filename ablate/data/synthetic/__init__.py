"""Procedural human motion: nine actions of eight people, made in memory from a seed.

Each action draws joint-angle curves (``locomotion``, ``gestures``) over a person's way of standing (``people``), and
forward kinematics (``body``) turns them into joints of a body that its feet carry. Legend: T frames, J joints.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from ablate import seeds
from ablate.data.arrays import Array
from ablate.data.config import DataConfig
from ablate.data.recording import Recording, Source
from ablate.data.synthetic.body import Motion, pose
from ablate.data.synthetic.curves import FPS, seconds
from ablate.data.synthetic.gestures import reaching, sitting, squatting, standing, waving
from ablate.data.synthetic.locomotion import running, stepping, turning, walking
from ablate.data.synthetic.people import Person, draw

ACTIONS: Mapping[str, Callable[[Person, np.random.Generator, Array], Motion]] = {
    "Walking": walking,
    "Running": running,
    "SittingDown": sitting,
    "Waving": waving,
    "Turning": turning,
    "Squatting": squatting,
    "Stepping": stepping,
    "Standing": standing,
    "Reaching": reaching,
}
SUBJECTS = {"train": ("P1", "P2", "P3", "P4", "P5"), "validation": ("P6",), "test": ("P7", "P8")}


def read(config: DataConfig) -> Source:
    """One recording of ``config.clip_seconds`` of each action by each subject, at 50 Hz."""
    return Source(
        splits={split: tuple(r for s in subjects for r in _record(s, config)) for split, subjects in SUBJECTS.items()},
        info={"source": "procedural motion, made from the seed", "licence": "none needed: nobody was recorded"},
    )


def _record(subject: str, config: DataConfig) -> list[Recording]:
    person = draw(seeds.stream(config.seed, "person", subject))
    recordings = []
    for action, perform in ACTIONS.items():
        rng = seeds.stream(config.seed, "motion", subject, action)
        time_T = rng.uniform(0, 2) + seconds(math.ceil(config.clip_seconds * FPS))
        motion = perform(person, rng, time_T)
        world_TJ3 = pose(person.body, motion).astype(np.float32)
        recordings.append(Recording(subject=subject, action=action, name=action, world_TJ3=world_TJ3, fps=FPS))
    return recordings
