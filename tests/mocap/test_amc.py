"""ASF and AMC: joints where independent arithmetic and CMU's own files have them, and one message for each fault."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ablate.data.arrays import Array
from ablate.data.skeleton import bone_lengths
from ablate.errors import DataError
from ablate.mocap.amc import read_amc, read_asf
from ablate.mocap.kinematics import SPINE, positions, resample, upright, with_lengths
from ablate.mocap.naming import pick, recognise
from tests.conftest import SHARED
from tests.mocap import acting

RAW = SHARED / "mocap" / "raw"
REAL = pytest.mark.skipif(not RAW.is_dir(), reason="the capture files are not beside the repository")


def world(path: Path, fps: float = 120.0) -> Array:
    """The 17 joints of an AMC, metres, z up."""
    motion = read_amc(path, read_asf(next(path.parent.glob("*.asf"))), 120.0)
    assert motion.unit is not None
    assert motion.unit == pytest.approx(acting.UNIT)
    _, found = recognise(path, motion.names)
    return upright(pick(found, positions(resample(motion, fps)))) * motion.unit


def test_joints_are_where_matrices_put_them(tmp_path: Path) -> None:
    values = acting.acted(40)
    np.testing.assert_allclose(world(acting.captured(tmp_path, "01_01", values)), acting.joints(values), atol=1e-9)


def test_radians_are_read_as_the_files_say(tmp_path: Path) -> None:
    values = acting.acted(8)
    path = acting.captured(tmp_path, "01_01", values)
    (tmp_path / "01" / "01.asf").write_text(acting.asf(degrees=False))
    np.testing.assert_allclose(world(path), acting.joints(values), atol=1e-9)  # the AMC says degrees
    path.write_text(acting.amc(values, degrees=False))
    np.testing.assert_allclose(world(path), acting.joints(values), atol=1e-9)
    path.write_text(path.read_text().replace(":RADIANS\n", ""))
    np.testing.assert_allclose(world(path), acting.joints(values), atol=1e-9)  # now the ASF says it


def test_the_order_of_degrees_of_freedom_counts(tmp_path: Path) -> None:
    values = acting.acted(8)
    path = acting.captured(tmp_path, "01_01", values)
    skeleton = tmp_path / "01" / "01.asf"
    skeleton.write_text(skeleton.read_text().replace("dof rx ry rz", "dof rz rx ry"))
    turned = {name: of if name == "root" or of.shape[1] < 3 else of[:, [2, 0, 1]] for name, of in values.items()}
    path.write_text(acting.amc(turned))
    assert np.abs(world(path) - acting.joints(values)).max() > 1e-3  # the same angles, applied in another order


@REAL
@pytest.mark.parametrize("clip", ["02_01", "02_03", "16_35", "16_55"])
def test_real_clips_agree_with_the_expected_positions(clip: str) -> None:
    with np.load(RAW / "expected_positions_120hz.npz", allow_pickle=False) as expected:
        difference = np.abs(world(RAW / clip[:2] / f"{clip}.amc") - expected[clip]).max()
    assert difference < 1e-6  # 0.1 mm is asked for


@REAL
@pytest.mark.parametrize(
    ("clip", "key"), [("02_01", "S02/Walking 1"), ("02_03", "S02/Running 3"), ("16_55", "S16/Running 55")]
)
def test_real_clips_agree_with_the_dataset_after_resampling(clip: str, key: str) -> None:
    with np.load(SHARED / "mocap" / "cmu_h36m17.npz", allow_pickle=False) as dataset:
        theirs = dataset[key].astype(np.float64)
    # A subject's median lengths need all of its clips: take those that the dataset has.
    lengths = np.median(bone_lengths(theirs), axis=0)
    ours = with_lengths(
        world(RAW / clip[:2] / f"{clip}.amc", 50.0), {joint: float(lengths[joint - 1]) for joint in SPINE}
    )
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-4  # which are rounded to 0.1 mm


def test_resampling_keeps_bones_and_ends_in_time(tmp_path: Path) -> None:
    path = acting.captured(tmp_path, "01_01", acting.acted(61))
    at_50 = world(path, 50.0)
    assert len(at_50) == 26  # 0.5 s, both ends
    rigid = [i for i in range(16) if i + 1 not in SPINE]
    np.testing.assert_allclose(bone_lengths(at_50)[:, rigid], bone_lengths(at_50)[:1, rigid].repeat(26, 0), atol=1e-9)
    np.testing.assert_allclose(at_50[::5], world(path)[::12], atol=1e-9)
    assert len(world(path, 240.0)) == 121


def test_lengths_are_set_and_what_hangs_on_them_moves_along(tmp_path: Path) -> None:
    before = acting.joints(acting.acted(5))
    after = with_lengths(before, {8: 0.3})
    np.testing.assert_allclose(bone_lengths(after)[:, 7], 0.3)
    np.testing.assert_allclose(np.delete(bone_lengths(after), 7, 1), np.delete(bone_lengths(before), 7, 1))
    np.testing.assert_allclose(after[:, 13] - after[:, 8], before[:, 13] - before[:, 8])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[: len(text) // 2], "cut short"),
        (lambda text: "\n".join(text.splitlines()[:-1]), "frame 3 lacks rwrist"),
        (lambda text: text.replace("lfemur", "lthigh", 1), "bone lthigh is not one"),
        (lambda text: re.sub(r"rtibia .*", "rtibia nan", text, count=1), "NaN or infinity"),
        (lambda text: text.replace("rtibia ", "rtibia x", 1), "could not convert"),
        (lambda text: text.replace("rtibia ", "rtibia 1 ", 1), "rtibia has 2 values, expected 1"),
        (lambda text: text.replace("\n2\n", "\n5\n"), "frame 5 stands where 2 should"),
        (lambda text: text.replace("\n2\n", "\n"), "frame 1 holds twice"),
        (lambda _: ":DEGREES\n", "holds no frame"),
        (lambda _: "", "holds no frame"),
    ],
)
def test_damaged_motion_is_refused(tmp_path: Path, change: Callable[[str], str], said: str) -> None:
    path = acting.captured(tmp_path, "01_01", acting.acted(3))
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError) as caught:
        world(path)
    assert said in str(caught.value)
    assert "01_01.amc" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[: text.index(":hierarchy")], "no section :hierarchy"),
        (lambda text: text[: text.index("name ltibia")], "no section :hierarchy"),
        (lambda text: text.replace("dof rx ry rz", "dof rx ry l", 1), "lowerback also moves by l"),
        (lambda text: text.replace("axis 0.0 0.0 0.0  XYZ", "axis 0 0 0 XYY", 1), "order of an axis is 'XYY'"),
        (lambda text: text.replace("length 2.06", "length long"), "could not convert"),
        (lambda text: text.replace("length 2.06\n", "\n"), "a bone without length"),
        (lambda text: text.replace("order TX", "order"), "expected TX TY TZ RX RY RZ"),
        (lambda text: text.replace("    upperback thorax\n", ""), "nowhere under the root"),
        (lambda text: text.replace("    upperback thorax\n", "    upperback torso\n"), "names torso"),
        (lambda text: text.replace("    upperback thorax\n", "    upperback thorax head\n"), "in two places"),
        (lambda _: "\0\1\2", "no section :units"),
    ],
)
def test_damaged_skeletons_are_refused(tmp_path: Path, change: Callable[[str], str], said: str) -> None:
    path = acting.captured(tmp_path, "01_01", acting.acted(3))
    skeleton = tmp_path / "01" / "01.asf"
    skeleton.write_text(change(skeleton.read_text()))
    with pytest.raises(DataError) as caught:
        world(path)
    assert said in str(caught.value)
    assert "01.asf" in str(caught.value)
