"""Synthetic motion keeps to what bodies can do, and differs where a study needs it to."""

from pathlib import Path

import numpy as np
import pytest

from ablate import seeds
from ablate.data import load
from ablate.data.arrays import Array
from ablate.data.config import DataConfig
from ablate.data.recording import Recording
from ablate.data.skeleton import bone_lengths
from ablate.data.synthetic import ACTIONS, SUBJECTS, read
from ablate.data.synthetic.body import SOLE, pose
from ablate.data.synthetic.curves import FPS, keyed, periodic, seconds, sway
from ablate.data.synthetic.people import draw


def made(config: DataConfig) -> dict[str, list[Recording]]:
    """The recordings of each split."""
    found = read(config).splits.items()
    return {split: [clip for clip in clips if isinstance(clip, Recording)] for split, clips in found}


RECORDINGS = [r for split in made(DataConfig()).values() for r in split]
NAMES = [r.key for r in RECORDINGS]
PEOPLE = [subject for subjects in SUBJECTS.values() for subject in subjects]
FRAMES = round(DataConfig().clip_seconds * FPS)


def speed(world_TJ3: Array) -> Array:
    """Metres a second (T-1, 17)."""
    speed_TJ: Array = np.linalg.norm(np.diff(world_TJ3.astype(np.float64), axis=0), axis=-1) * FPS
    return speed_TJ


def by_action(action: str) -> list[Recording]:
    return [r for r in RECORDINGS if r.action == action]


def test_every_subject_does_every_action_for_as_long_as_asked() -> None:
    assert len(RECORDINGS) == len(PEOPLE) * len(ACTIONS)
    assert {r.action for r in RECORDINGS} == set(ACTIONS)
    assert all(r.world_TJ3.shape == (FRAMES, 17, 3) and r.world_TJ3.dtype == np.float32 for r in RECORDINGS)
    short = made(DataConfig(clip_seconds=1.51))["test"]
    assert all(len(r.world_TJ3) == 76 for r in short)


@pytest.mark.parametrize("recording", RECORDINGS, ids=NAMES)
def test_bodies_stay_bodies(recording: Recording) -> None:
    world_TJ3 = recording.world_TJ3
    assert np.isfinite(world_TJ3).all()
    assert np.ptp(bone_lengths(world_TJ3), axis=0).max() < 1e-5, "a bone changes its length"
    assert speed(world_TJ3).max() < 12, "a joint is faster than people are"
    root_acceleration = np.diff(world_TJ3[:, 0].astype(np.float64), n=2, axis=0) * FPS**2
    assert np.abs(root_acceleration).max() < 40, "the body jerks"


@pytest.mark.parametrize("recording", RECORDINGS, ids=NAMES)
def test_feet_stand_on_the_floor(recording: Recording) -> None:
    ankles_T2 = recording.world_TJ3[:, [3, 6], 2]
    assert recording.world_TJ3[..., 2].min() > -0.02
    assert ankles_T2.min() > SOLE - 0.02, "a foot goes through the floor"
    lowest_T = ankles_T2.min(axis=1)
    assert np.median(lowest_T) < SOLE + 0.06, "the body floats"
    assert lowest_T.max() < SOLE + 0.2


@pytest.mark.parametrize("action", sorted(set(ACTIONS) - {"Running"}))
def test_planted_feet_stay_where_they_are(action: str) -> None:
    for recording in by_action(action):
        feet_T2 = recording.world_TJ3[:, [3, 6]]
        lower_T = feet_T2[:-1, :, 2].argmin(axis=1)
        slip_T = speed(feet_T2)[np.arange(len(lower_T)), lower_T]
        assert np.median(slip_T) < 0.25, f"{recording.key} skates"


@pytest.mark.parametrize("recording", RECORDINGS, ids=NAMES)
def test_knees_bend_backward(recording: Recording) -> None:
    world_TJ3 = recording.world_TJ3.astype(np.float64)
    left_T3 = world_TJ3[:, 4] - world_TJ3[:, 1]
    left_T3 /= np.linalg.norm(left_T3, axis=-1, keepdims=True)
    for hip in (1, 4):
        thigh_T3, shin_T3 = world_TJ3[:, hip + 1] - world_TJ3[:, hip], world_TJ3[:, hip + 2] - world_TJ3[:, hip + 1]
        area = np.linalg.norm(thigh_T3, axis=-1) * np.linalg.norm(shin_T3, axis=-1)
        bend_T = (np.cross(thigh_T3, shin_T3) * left_T3).sum(axis=-1) / area
        assert bend_T.min() > 0, "a knee bends forward"


@pytest.mark.parametrize("action", sorted(ACTIONS))
@pytest.mark.parametrize("seed", range(4))
def test_joints_keep_within_their_range(action: str, seed: int) -> None:
    person = draw(seeds.stream(seed, "person"))
    motion = ACTIONS[action](person, seeds.stream(seed, "motion", action), seconds(500))
    for bend_TS, most in ((motion.knee_TS, 150), (motion.elbow_TS, 150)):
        assert bend_TS.min() > 0, "bends the wrong way"
        assert bend_TS.max() < most
    assert motion.hip_TS3[..., 0].min() > -35
    assert motion.hip_TS3[..., 0].max() < 140
    assert motion.shoulder_TS3[..., 0].min() > -70
    assert motion.shoulder_TS3[..., :2].max() < 185
    assert np.abs(motion.head_T3).max() < 90
    assert np.abs(motion.heading_T).max() > 0


def test_arms_swing_against_legs() -> None:
    for action in ("Walking", "Running"):
        for recording in by_action(action):
            world_TJ3 = recording.world_TJ3.astype(np.float64)
            across_T2 = world_TJ3[:, 4, :2] - world_TJ3[:, 1, :2]
            ahead_T2 = np.stack([across_T2[:, 1], -across_T2[:, 0]], axis=1)
            foot_T = ((world_TJ3[:, 6, :2] - world_TJ3[:, 3, :2]) * ahead_T2).sum(axis=1)
            hand_T = ((world_TJ3[:, 13, :2] - world_TJ3[:, 16, :2]) * ahead_T2).sum(axis=1)
            assert np.corrcoef(foot_T, hand_T)[0, 1] < -0.5, recording.key


@pytest.mark.parametrize(("action", "backward"), [("Walking", 0.2), ("Running", 0.3)])
def test_people_go_where_they_look(action: str, backward: float) -> None:
    for recording in by_action(action):
        world_TJ3 = recording.world_TJ3.astype(np.float64)
        across_T2 = world_TJ3[:, 4, :2] - world_TJ3[:, 1, :2]
        ahead_T2 = np.stack([across_T2[:, 1], -across_T2[:, 0]], axis=1)[:-1]
        ahead_T2 /= np.linalg.norm(ahead_T2, axis=1, keepdims=True)
        forward_T = (np.diff(world_TJ3[:, 0, :2], axis=0) * ahead_T2).sum(axis=1) * FPS
        assert 0.4 < forward_T.mean() < 2.6, recording.key
        assert np.quantile(forward_T, 0.02) > -backward, f"{recording.key} goes backward"


@pytest.mark.parametrize("clip_seconds", [4.0, DataConfig().clip_seconds, 12.0])
def test_what_each_action_is_about(clip_seconds: float) -> None:
    for recording in (r for split in made(DataConfig(clip_seconds=clip_seconds)).values() for r in split):
        world_TJ3, action = recording.world_TJ3, recording.action
        height_T = world_TJ3[:, 0, 2]
        if action in ("SittingDown", "Squatting"):
            assert height_T.min() < 0.75 * height_T.max(), f"{recording.key} stays up"
        elif action in ("Waving", "Reaching"):
            assert (world_TJ3[:, [13, 16], 2].max(axis=1) > world_TJ3[:, 8, 2]).any(), f"{recording.key} keeps low"
        elif action == "Turning":
            across_T2 = world_TJ3[:, 4, :2] - world_TJ3[:, 1, :2]
            assert np.ptp(np.unwrap(np.arctan2(across_T2[:, 1], across_T2[:, 0]))) > 1, f"{recording.key} turns little"
        elif action == "Stepping":
            assert np.ptp(world_TJ3[:, [3, 6], 2]) > 0.06, f"{recording.key} lifts no foot"
        elif action == "Standing":
            assert np.linalg.norm(np.ptp(world_TJ3[:, 0, :2], axis=0)) < 0.4, f"{recording.key} walks off"
        else:
            fastest = {"Walking": 1, "Running": 1.5}[action]
            assert speed(world_TJ3)[:, 0].max() > fastest, f"{recording.key} is slow"


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_frames_differ_in_how_much_happens(action: str) -> None:
    quiet, busy = [], []
    for recording in by_action(action):
        relative = recording.world_TJ3 - recording.world_TJ3[:, :1]
        energy_T = speed(relative).mean(axis=1)
        quiet.append(np.quantile(energy_T, 0.05))
        busy.append(np.quantile(energy_T, 0.95))
    assert np.median(busy) > 2.5 * np.median(quiet)


def test_subjects_have_their_own_bodies_and_manners() -> None:
    bones = {r.subject: bone_lengths(r.world_TJ3[0]).sum() for r in RECORDINGS}
    assert len(bones) == len(PEOPLE)
    sizes = np.sort(list(bones.values()))
    assert np.diff(sizes).min() > 0.002
    assert sizes[-1] > 1.15 * sizes[0]
    walks = [r.world_TJ3 - r.world_TJ3[:, :1] for r in by_action("Walking")]
    assert min(np.abs(a - b).max() for i, a in enumerate(walks) for b in walks[:i]) > 0.2


def test_same_seed_same_people_other_seed_other_people() -> None:
    config = DataConfig(clip_seconds=1)
    again = {split: [r.world_TJ3 for r in recordings] for split, recordings in made(config).items()}
    for split, recordings in made(config).items():
        for recording, world_TJ3 in zip(recordings, again[split], strict=True):
            np.testing.assert_array_equal(recording.world_TJ3, world_TJ3)
    other = made(DataConfig(clip_seconds=1, seed=1))["train"][0]
    assert not np.allclose(other.world_TJ3, again["train"][0])


def test_split_by_subject() -> None:
    splits = load(DataConfig(clip_seconds=1, cameras=1), 9, Path(".ablate"))
    found = {name: {v.subject for v in getattr(splits, name).views} for name in SUBJECTS}
    assert found == {name: set(subjects) for name, subjects in SUBJECTS.items()}
    assert len(set(PEOPLE)) == len(PEOPLE)


def test_a_squat_lowers_the_body_over_feet_that_stay() -> None:
    person = draw(seeds.stream(0, "person"))
    motion = ACTIONS["Squatting"](person, seeds.stream(0, "motion"), seconds(300))
    world_TJ3 = pose(person.body, motion)
    assert np.ptp(world_TJ3[:, 0, 2]) > 0.25
    assert np.linalg.norm(np.ptp(world_TJ3[:, [3, 6], :2], axis=0), axis=-1).max() < 0.25


def test_curves() -> None:
    time_T = seconds(200)
    value_T = keyed(time_T, np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.5, 0.5]), np.array([[2.0], [5.0], [-1.0]]))[
        :, 0
    ]
    assert value_T[:51] == pytest.approx(2)
    assert value_T[75:101] == pytest.approx(5)
    assert value_T[125:] == pytest.approx(-1)
    table = (3.0, 1.0, 4.0, 1.0, 5.0, 9.0)
    assert periodic(table, np.arange(12) / 6) == pytest.approx(table * 2)
    curves_TA = sway(np.random.default_rng(0), seconds(20_000), 4, 0.5)
    assert curves_TA.std(axis=0) == pytest.approx(1, abs=0.1)
