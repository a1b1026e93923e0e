"""BVH files: read back by a forward kinematics of their own, they give the poses.

Legend: T frames, J joints.
"""

import io
from dataclasses import dataclass, field

import numpy as np
import pytest

from ablate.data.skeleton import BONES, NAMES, bone_lengths
from ablate.lift import bvh
from tests.lift.filmed import Array, film, swaying, walking


@dataclass
class Node:
    """A joint of a file, with the columns of its channels."""

    name: str
    offset: Array
    channels: dict[str, int]
    children: list["Node"] = field(default_factory=list)


def read(text: str) -> tuple[Node, Array, float]:
    """The hierarchy, the frames and the frame time of a BVH, by the format's own words."""
    hierarchy, motion = text.split("MOTION\n")
    words = iter(hierarchy.split())
    assert next(words) == "HIERARCHY"
    column = 0

    def node(name: str) -> Node:
        nonlocal column
        assert (next(words), next(words)) == ("{", "OFFSET")
        made = Node(name, np.array([float(next(words)) for _ in range(3)]), {})
        for word in words:
            if word == "CHANNELS":
                for _ in range(int(next(words))):
                    made.channels[next(words)] = column
                    column += 1
            elif word in ("JOINT", "End"):
                made.children.append(node(next(words)))
            else:
                assert word == "}"
                return made
        raise AssertionError("an open brace")

    assert next(words) == "ROOT"
    root = node(next(words))
    assert next(words, None) is None
    frames, frame_time, *lines = motion.splitlines()
    values = np.array([[float(value) for value in line.split()] for line in lines])
    assert int(frames.removeprefix("Frames:")) == len(values)
    assert values.shape[1] == column
    return root, values, float(frame_time.removeprefix("Frame Time:"))


def positions(root: Node, values: Array) -> dict[str, Array]:
    """Each joint's place in each frame (T, 3); an end is named after its parent."""
    found: dict[str, Array] = {}

    def place(node: Node, at: Array, turn: Array, name: str) -> None:
        at = at + np.einsum("tij,j->ti", turn, node.offset)
        for channel, column in node.channels.items():
            axis = "XYZ".index(channel[0])
            if channel.endswith("position"):
                at[:, axis] += values[:, column]
            else:
                turn = turn @ about(axis, np.radians(values[:, column]))
        found[name] = at
        for child in node.children:
            place(child, at, turn, f"{name} end" if child.name == "Site" else child.name)

    place(root, np.zeros((len(values), 3)), np.broadcast_to(np.eye(3), (len(values), 3, 3)), root.name)
    return found


def about(axis: int, angle: Array) -> Array:
    """Right-handed rotations (T, 3, 3) about one axis."""
    turn = np.zeros((len(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn[:, axis, axis] = 1
    turn[:, i, i] = turn[:, j, j] = np.cos(angle)
    turn[:, i, j], turn[:, j, i] = -np.sin(angle), np.sin(angle)
    return turn


ENDS = {"right_ankle": "right_knee", "left_ankle": "left_knee", "head": "neck_nose", "left_wrist": "left_elbow"}


def joints(root: Node, values: Array) -> Array:
    """Our 17 joints (T, 17, 3) out of a file, in camera axes and metres."""
    found = positions(root, values)
    ends = {**ENDS, "right_wrist": "right_elbow"}
    names = [f"{ends[name]} end" if name in ends else name for name in NAMES]
    placed: Array = np.stack([found[name] for name in names], axis=1) / 100 * np.array([1, -1, -1])
    return placed


def written(placed_TJ3: Array, fps: float = 50.0) -> str:
    file = io.StringIO()
    bvh.write(file, placed_TJ3, fps)
    return file.getvalue()


def rigid(frames: int) -> Array:
    """Somebody whose bones keep their lengths, and whose hips and thorax are rigid: what a BVH can hold exactly."""
    rng = np.random.default_rng(0)
    rest = {name: np.array(direction, float) for name, direction in bvh.REST.items()}
    turn = {joint: about(0, np.cumsum(rng.normal(0, 0.05, frames))) for joint in range(17)}
    turn = {joint: turn[joint] @ about(1, np.cumsum(rng.normal(0, 0.05, frames))) for joint in turn}
    placed = np.zeros((frames, 17, 3))
    placed[:, 0] = np.array([0, 0, 4]) + np.cumsum(rng.normal(0, 0.02, (frames, 3)), axis=0)
    for parent, child in BONES:
        way = np.einsum("tij,j->ti", turn[parent], rest[NAMES[child]] * (0.1 + 0.02 * child))
        placed[:, child] = placed[:, parent] + way * (1, -1, -1)
    return placed


def test_rigid_motion_is_read_back_exactly() -> None:
    placed = rigid(50)
    root, values, frame_time = read(written(placed, 25.0))
    assert frame_time == pytest.approx(0.04)
    np.testing.assert_allclose(joints(root, values), placed, atol=2e-4)


def test_real_joints_are_read_back_to_what_is_not_rigid_in_them() -> None:
    placed = film(walking(), np.random.default_rng(0)).truth_TJ3
    text = written(placed)
    found = joints(*read(text)[:2])
    np.testing.assert_allclose(found[:, 0], placed[:, 0], atol=1e-4)
    assert np.linalg.norm(found - placed, axis=-1).mean() < 0.06
    lengths = bone_lengths(found)
    np.testing.assert_allclose(lengths.std(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(lengths.mean(axis=0), bone_lengths(placed).mean(axis=0), atol=1e-3)
    for parent, child in BONES:
        if parent not in bvh.FORKS:
            one, other = (pose[:, child] - pose[:, parent] for pose in (found, placed))
            cosine = (one * other).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)
            assert cosine.min() > 1 - 1e-6


def test_a_still_person_has_still_angles_and_an_upright_one_is_upright() -> None:
    placed = np.broadcast_to(film(swaying(1), np.random.default_rng(0)).truth_TJ3, (4, 17, 3))
    root, values, _ = read(written(placed))
    assert not np.ptp(values, axis=0).any()
    found = positions(root, values)
    assert found["neck_nose end"][0, 1] > found["hip"][0, 1] > found["left_knee end"][0, 1]


def test_half_turns_and_bones_without_length_stay_finite() -> None:
    placed = rigid(6)
    placed[2, 2:4] = placed[2, 1] - (placed[2, 2:4] - placed[2, 1])
    placed[3, 13] = placed[3, 12]
    placed[4] = placed[4, :1]
    _, values, _ = read(written(placed))
    assert np.isfinite(values).all()


@pytest.mark.parametrize("x", [0.0, 33.0, -89.999999, 90.0, -90.0])
def test_angles_come_back_from_a_rotation(x: float) -> None:
    def rotation(angles: Array) -> Array:
        z, x, y = (about(axis, np.radians(angles[:1, place])) for place, axis in enumerate((2, 0, 1)))
        return z @ x @ y

    angles = np.array([[40.0, x, -120.0]])
    turn = rotation(angles)
    found = bvh.euler_zxy(turn)
    np.testing.assert_allclose(rotation(found), turn, atol=1e-7)
