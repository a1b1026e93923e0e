"""Procedural human motion: nine actions of sixteen people, made in memory from a seed.

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
# Bodies differ, so a lifter that saw few of them learns their sizes: most people are there to be trained on.
SPLITS = {"train": range(1, 11), "validation": range(11, 13), "test": range(13, 17)}
SUBJECTS = {split: tuple(f"P{number}" for number in numbers) for split, numbers in SPLITS.items()}


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
        motion = perform(person, rng, seconds(math.ceil(config.clip_seconds * FPS)))
        world_TJ3 = pose(person.body, motion).astype(np.float32)
        recordings.append(Recording(subject=subject, action=action, name=action, world_TJ3=world_TJ3, fps=FPS))
    return recordings
