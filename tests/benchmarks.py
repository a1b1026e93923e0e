"""Files in the exact layouts of the benchmarks, of made-up motion: small ones for tests, and one of Human3.6M's size.

`python -m tests.benchmarks FOLDER` writes the latter: as many training frames as Human3.6M has, 1.56 million views.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ablate.data.arrays import Array
from ablate.data.camera import denormalise_screen, project, world_to_camera
from ablate.data.config import DataConfig
from ablate.data.dhp3 import CAMERAS, FILES, ORDER, lens_of
from ablate.data.dhp3 import TEST as TEST_SEQUENCES
from ablate.data.dhp3 import TRAIN as DHP3_TRAIN
from ablate.data.h36m import JOINTS, POSES, RAW_JOINTS, SEEN, TEST, TRAIN, VALIDATION
from ablate.data.h36m_cameras import cameras
from ablate.data.noise import detector_noise
from ablate.data.recording import Recording
from ablate.data.rigs import ring
from ablate.data.synthetic import read
from tests.motion import recording

BEYOND = 3  # frames that videos run on after the motion capture
Layout = dict[str, Any]


def pickled(content: Any) -> Array:
    """As numpy saves a dict: an object array of no axes."""
    held = np.empty((), object)
    held[()] = content
    return held


def h36m_content(sequences: Mapping[str, Mapping[str, Array]]) -> dict[str, Layout]:
    """What each of the three files holds, by its name, of subject -> action -> world_TJ3 (17 joints)."""
    files: dict[str, Layout] = {POSES: {}, SEEN["gt"]: {}, SEEN["detector"]: {}}
    rng = np.random.default_rng(0)
    for subject, actions in sequences.items():
        for held in files.values():
            held[subject] = {}
        for action, world_TJ3 in actions.items():
            raw_TR3 = np.repeat(world_TJ3[:, :1], RAW_JOINTS, axis=1)
            raw_TR3[:, JOINTS] = world_TJ3
            files[POSES][subject][action] = raw_TR3.astype(np.float32)
            long_TJ3 = np.concatenate([world_TJ3, np.repeat(world_TJ3[-1:], BEYOND, axis=0)])
            for seen in SEEN.values():
                files[seen][subject][action] = []
            for camera in cameras(subject):
                points_TJ3 = world_to_camera(long_TJ3, camera)
                screen_TJ2 = project(points_TJ3, camera)
                noise_TJ2 = detector_noise(camera.intrinsic[0] / points_TJ3[:, 0, 2], 50.0, rng)
                for seen, x2d_TJ2 in ((SEEN["gt"], screen_TJ2), (SEEN["detector"], screen_TJ2 + noise_TJ2)):
                    pixels_TJ2 = denormalise_screen(x2d_TJ2, camera.resolution).astype(np.float32)
                    files[seen][subject][action].append(pixels_TJ2)
    return files


def write_h36m(folder: Path, files: Mapping[str, Layout]) -> Path:
    """The three npz files, as VideoPose3D leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    symmetry = [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]
    metadata = pickled({"layout_name": "h36m", "num_joints": 17, "keypoints_symmetry": symmetry})
    for name, content in files.items():
        arrays: dict[str, Any] = (
            {"positions_3d": pickled(content)}
            if name == POSES
            else {"positions_2d": pickled(content), "metadata": metadata}
        )
        np.savez_compressed(folder / name, **arrays)
    return folder


def h36m_motion(frames: int = 40, actions: Sequence[str] = ("Walking 1", "Sitting")) -> dict[str, dict[str, Array]]:
    """Somebody who sways in the middle of Human3.6M's room, as each of its subjects; S11's damaged video among them."""
    found: dict[str, dict[str, Array]] = {}
    for number, subject in enumerate((*TRAIN, *VALIDATION, *TEST)):
        found[subject] = {
            action: recording(action, action, frames + number, seed=10 * number + i).world_TJ3
            for i, action in enumerate(actions)
        }
    found["S11"]["Directions"] = found["S11"][actions[0]]
    return found


def h36m(folder: Path, frames: int = 40) -> Path:
    """A small Human3.6M."""
    return write_h36m(folder, h36m_content(h36m_motion(frames)))


def dhp3_content(frames: int = 40) -> tuple[Layout, Layout]:
    """What the training file and the test file hold."""
    train: Layout = {}
    for number, subject in enumerate((*DHP3_TRAIN, "S8")):
        for sequence in ("Seq1", "Seq2")[: 1 + number % 2]:
            clip = recording(sequence, sequence, frames + number, seed=number)
            rig = ring(clip.world_TJ3, len(CAMERAS), np.random.default_rng(number))
            lenses = [(1500.0 + index, 1498.0 + index, 1020.0 - index, 1030.0 + index) for index in range(len(rig))]
            seen = {
                name: dict(zip(("data_2d", "data_3d"), _before(clip, rig[i], lenses[i]), strict=True))
                for i, name in enumerate(CAMERAS)
            }
            train[f"{subject} {sequence}"] = [seen, 25 if number % 2 else 50]
    test: Layout = {}
    for number, sequence in enumerate(TEST_SEQUENCES):
        clip = recording(sequence, sequence, frames + number, seed=100 + number)
        camera = ring(clip.world_TJ3, 1, np.random.default_rng(number))[0]
        pixels_TJ2, points_TJ3 = _before(clip, camera, lens_of(sequence)[0])
        valid_T = (np.arange(len(points_TJ3)) % 7 != 3).astype(np.float64)
        test[sequence] = {"data_2d": pixels_TJ2, "data_3d": points_TJ3, "valid": valid_T}
    return train, test


def _before(clip: Recording, camera: Any, lens: tuple[float, float, float, float]) -> tuple[Array, Array]:
    """The 2D in pixels and the 3D in millimetres of a clip before a pinhole, in the dataset's order of joints."""
    points_TJ3 = np.empty((len(clip.world_TJ3), 17, 3))
    points_TJ3[:, ORDER] = 1000 * world_to_camera(clip.world_TJ3, camera)
    focal, centre = np.array(lens[:2]), np.array(lens[2:])
    return focal * points_TJ3[..., :2] / points_TJ3[..., 2:] + centre, points_TJ3


def write_dhp3(folder: Path, train: Layout, test: Layout) -> Path:
    """Both npz files, as P-STMO leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in zip(FILES, (train, test), strict=True):
        np.savez_compressed(folder / name, data=pickled(content))
    return folder


def dhp3(folder: Path, frames: int = 40) -> Path:
    """A small MPI-INF-3DHP."""
    return write_dhp3(folder, *dhp3_content(frames))


def large(sequences: int = 30, trained: int = 2600, tested: int = 2300) -> Iterator[tuple[str, dict[str, Array]]]:
    """Motion of Human3.6M's size: by default 5 x 30 x 2600 x 4 = 1.56 million views of frames to train on."""
    clips = [
        clip.world_TJ3
        for split in read(replace(DataConfig(), clip_seconds=trained / 50)).splits.values()
        for clip in split
        if isinstance(clip, Recording)
    ]
    rng = np.random.default_rng(0)
    for subject in (*TRAIN, *VALIDATION, *TEST):
        actions = {}
        for number in range(sequences):
            world_TJ3 = clips[rng.integers(len(clips))][: tested if subject in TEST else trained].astype(np.float64)
            middle_3 = np.append(world_TJ3[..., :2].mean(axis=(0, 1)), 0)
            angle = rng.uniform(0, 2 * np.pi)
            turn_33 = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
            actions[f"Action {number}"] = ((world_TJ3 - middle_3) @ turn_33).astype(np.float32)
        yield subject, actions


if __name__ == "__main__":
    write_h36m(Path(sys.argv[1]), h36m_content(dict(large())))
