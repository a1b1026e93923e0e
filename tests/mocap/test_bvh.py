"""BVH: what was an AMC comes back the same under other names, units and orders of rotation; and what is refused."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ablate.data.arrays import Array
from ablate.errors import DataError
from ablate.mocap.amc import read_amc, read_asf
from ablate.mocap.bvh import read_bvh
from ablate.mocap.kinematics import Motion, positions
from ablate.mocap.naming import pick, recognise
from ablate.mocap.reading import Captured, Reading, from_bvh
from tests.mocap import acting

MIXAMO = {
    **{node: name for node, name in acting.CGSPEED.items() if node not in ("upperback", "thorax", "upperneck")},
    **{"lowerback": "Spine", "upperback": "Spine1", "thorax": "Spine2", "upperneck": "NeckTwist", "head end": "Top"},
}
LONG = {
    **{"root": "Root", "thorax": "Middle", "upperback": "Spine", "lowerneck": "Thorax", "head": "Neck_Nose"},
    **{
        short + bone: long + joint
        for short, long in (("l", "Left"), ("r", "Right"))
        for bone, joint in (("femur", "Hip"), ("tibia", "Knee"), ("foot", "Ankle"))
    },
    **{
        short + bone: long + joint
        for short, long in (("l", "Left"), ("r", "Right"))
        for bone, joint in (("humerus", "Shoulder"), ("radius", "Elbow"), ("wrist", "Wrist"))
    },
}


XSENS = {
    **{node: name for node, name in LONG.items() if name not in ("Spine", "Middle", "Thorax", "Neck_Nose")},
    **{"root": "Hips", "lowerback": "Chest", "upperback": "Chest2", "thorax": "Chest3", "lowerneck": "Neck"},
    **{"upperneck": "Nape", "head": "Head", "lclavicle": "LeftCollar", "rclavicle": "RightCollar"},
}
VICON = {**XSENS, "lowerback": "Waist", "upperback": "Chest", "thorax": "Ribs"}


def motion(folder: Path, frames: int = 12) -> Motion:
    path = acting.captured(folder, "01_01", acting.acted(frames))
    return read_amc(path, read_asf(folder / "01" / "01.asf"), 120.0)


def clip(folder: Path, text: str, reading: Reading | None = None) -> Captured:
    """What becomes of a BVH at its own rate."""
    folder.mkdir(exist_ok=True)
    path = folder / "sway_01.bvh"
    path.write_text(text)
    (found,) = from_bvh(path, 120.0, reading or Reading())
    return found


def joints() -> Array:
    return acting.joints(acting.acted(12))


@pytest.mark.parametrize("order", ["ZYX", "ZXY", "XYZ", "YXZ"])
def test_every_order_of_rotations_gives_the_same_nodes(tmp_path: Path, order: str) -> None:
    before = motion(tmp_path)
    path = tmp_path / "a.bvh"
    path.write_text(acting.bvh(before, {}, order=order))
    after = read_bvh(path)
    assert after.fps == 120.0
    assert after.unit is None
    for name in before.names:
        place = after.names.index(name), before.names.index(name)
        np.testing.assert_allclose(positions(after)[:, place[0]], positions(before)[:, place[1]], atol=1e-6)


@pytest.mark.parametrize(
    ("scale", "unit"), [(1, "cmu"), (acting.UNIT, "m"), (acting.UNIT * 100, "cm"), (acting.UNIT * 1000, "mm")]
)
def test_the_unit_is_known_by_the_legs(tmp_path: Path, scale: float, unit: str) -> None:
    found = clip(tmp_path / "anna", acting.bvh(motion(tmp_path), acting.CGSPEED, scale))
    np.testing.assert_allclose(found.world_TJ3, joints(), atol=1e-6)
    assert found.unit.startswith(unit)
    assert found.warning is None
    assert found.key == "anna/sway 01"


def test_a_unit_that_is_told_goes_before_the_legs(tmp_path: Path) -> None:
    text = acting.bvh(motion(tmp_path), acting.CGSPEED, scale=3)
    with pytest.raises(DataError, match="add --unit"):
        clip(tmp_path / "anna", text)
    found = clip(tmp_path / "anna", text, Reading(unit=acting.UNIT / 3))
    np.testing.assert_allclose(found.world_TJ3, joints(), atol=1e-6)


@pytest.mark.parametrize(
    "names", [{}, acting.CGSPEED, LONG, XSENS, VICON], ids=["asf", "cgspeed", "long", "xsens", "vicon"]
)
def test_namings(tmp_path: Path, names: dict[str, str]) -> None:
    before = motion(tmp_path)
    found = clip(tmp_path / "anna", acting.bvh(before, names))
    np.testing.assert_allclose(found.world_TJ3, joints(), atol=1e-6)


@pytest.mark.parametrize("prefix", ["mixamorig:", "mixamorig", "Character1_"])
def test_what_stands_before_all_names_is_no_matter(tmp_path: Path, prefix: str) -> None:
    names = {**acting.CGSPEED, **MIXAMO}
    before = motion(tmp_path)
    named = {node: prefix + names.get(node, node) for node in before.names}
    found = clip(tmp_path / "anna", acting.bvh(before, named))
    np.testing.assert_allclose(found.world_TJ3, joints(), atol=1e-6)


def test_a_world_whose_z_points_up(tmp_path: Path) -> None:
    before = motion(tmp_path)
    found = clip(tmp_path / "anna", acting.bvh(before, acting.CGSPEED), Reading(up="z"))
    np.testing.assert_allclose(found.world_TJ3[..., [0, 2, 1]] * [1, -1, 1], joints(), atol=1e-6)


def test_the_copy_without_a_thorax_is_recognised(tmp_path: Path) -> None:
    before = motion(tmp_path)
    offset_N3 = before.offset_N3.copy()
    offset_N3[[before.names.index(name) for name in ("lowerneck", "lclavicle", "rclavicle")]] = 0
    found = clip(tmp_path / "anna", acting.bvh(replace(before, offset_N3=offset_N3), acting.CGSPEED))
    assert found.warning is not None
    assert "without its thorax bone" in found.warning
    assert 0.11 < np.linalg.norm(found.world_TJ3[:, 10] - joints()[:, 10], axis=-1).min() < 0.12


def test_a_position_stands_in_place_of_an_offset(tmp_path: Path) -> None:
    text = acting.bvh(motion(tmp_path, 2), acting.CGSPEED)
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip() == "JOINT LowerBack")
    where = sum("CHANNELS" in line for line in lines[:at])
    lines[at + 3] = lines[at + 3].replace("CHANNELS 3", "CHANNELS 6 Xposition Yposition Zposition")
    values = [line.split() for line in lines[-2:]]
    for row in values:
        row[3 + 3 * where : 3 + 3 * where] = ["0", "1.5", "0"]
    path = tmp_path / "moved.bvh"
    path.write_text("\n".join([*lines[:-2], *(" ".join(row) for row in values), ""]))
    moved = read_bvh(path)
    (tmp_path / "still.bvh").write_text(text)
    still = read_bvh(tmp_path / "still.bvh")
    spine, hip = still.names.index("Spine"), still.names.index("LeftUpLeg")
    away_T = np.linalg.norm(positions(moved)[:, spine] - positions(still)[:, spine], axis=-1)
    np.testing.assert_allclose(away_T, 1.5, atol=1e-6)
    np.testing.assert_allclose(positions(moved)[:, hip], positions(still)[:, hip], atol=1e-6)


@pytest.mark.parametrize(("time", "fps"), [("0.0083333", 120), ("0.033333", 30), ("0.02", 50), ("0.0166667", 60)])
def test_a_frame_time_in_few_digits_is_a_whole_rate(tmp_path: Path, time: str, fps: float) -> None:
    path = tmp_path / "a.bvh"
    path.write_text(acting.bvh(motion(tmp_path), {}).replace("Frame Time: 0.0083333", f"Frame Time: {time}"))
    assert read_bvh(path).fps == fps


def test_a_rate_that_is_not_whole_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.bvh"
    path.write_text(acting.bvh(motion(tmp_path), {}).replace("Frame Time: 0.0083333", "Frame Time: 0.0333667"))
    assert read_bvh(path).fps == pytest.approx(29.97, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[: text.index("MOTION")], "no HIERARCHY and MOTION"),
        (lambda text: text[: len(text) * 3 // 4], "of 12 frames"),
        (lambda text: text.rstrip().rpartition(" ")[0], "of 12 frames"),
        (lambda text: text.replace("Frames: 12", "Frames: 0"), "0 frames"),
        (lambda text: text.replace("Frames: 12", "Frames: many"), "invalid literal"),
        (lambda text: text.replace("Frame Time:", "Time"), "expected Frames:, Frame Time:"),
        (lambda text: text.rstrip().rpartition(" ")[0] + " nan", "frame 11 holds NaN"),
        (lambda text: text.rstrip().rpartition(" ")[0] + " up", "could not convert"),
        (lambda text: text.replace("}\nMOTION", "MOTION"), "HIERARCHY does not end"),
        (lambda text: text.replace("CHANNELS 3", "CHANNELS 7", 1), "expected 7 of"),
        (lambda text: text.replace("Zrotation", "Wrotation", 1), "Wrotation"),
        (lambda text: text.replace("OFFSET", "OFFSET x", 1), "expected three numbers"),
        (lambda text: text.replace("Xposition Yposition Zposition ", "").replace("CHANNELS 6", "CHANNELS 3"), "of 12"),
        (lambda text: text.replace("LeftArm", "Wing"), "missing: leftarm"),
        (lambda _: "", "no HIERARCHY"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, change: Callable[[str], str], said: str) -> None:
    with pytest.raises(DataError) as caught:
        clip(tmp_path / "anna", change(acting.bvh(motion(tmp_path), acting.CGSPEED)))
    assert said in str(caught.value)
    assert "sway_01.bvh" in str(caught.value)


def test_known_namings_tell_the_joints_apart(tmp_path: Path) -> None:
    before = motion(tmp_path)
    where_TN3 = positions(before)
    title, found = recognise(tmp_path, before.names)
    assert title.startswith("Acclaim")
    assert len(set(found.values())) == 16
    pose_TJ3 = pick(found, where_TN3)
    np.testing.assert_allclose(pose_TJ3[:, 0], (pose_TJ3[:, 1] + pose_TJ3[:, 4]) / 2)


def test_what_lifting_writes_is_read(tmp_path: Path) -> None:
    from ablate.lift.bvh import write

    world_TJ3 = joints()
    camera_TJ3 = np.stack([world_TJ3[..., 0], -world_TJ3[..., 2], world_TJ3[..., 1]], axis=-1)
    text = io.StringIO()
    write(text, camera_TJ3, 120.0)
    found = clip(tmp_path / "anna", text.getvalue())
    assert found.unit.startswith("cm")
    assert np.linalg.norm(found.world_TJ3 - world_TJ3, axis=-1).max() < 0.03  # the spine bends, and a file's is rigid
