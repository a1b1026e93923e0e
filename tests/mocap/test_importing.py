"""`ablate data import`: from capture files to a set that studies read, or one message and nothing written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from ablate.cli.app import app
from ablate.data import load
from ablate.data.cmu import LICENCE
from ablate.data.config import DataConfig
from ablate.data.layout import read_file
from ablate.data.skeleton import bone_lengths
from ablate.mocap.kinematics import SPINE
from tests.conftest import SHARED
from tests.mocap import acting
from tests.mounting import mounted

RAW = SHARED / "mocap" / "raw"


def run(*arguments: str | Path, home: Path) -> Result:
    """The command in this process."""
    return CliRunner().invoke(app, ["--home", str(home), "data", *map(str, arguments)], env={"COLUMNS": "200"})


def told(*arguments: str | Path, home: Path) -> Any:
    """What the command says as JSON."""
    done = run(*arguments, "--json", home=home)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused(*arguments: str | Path, home: Path) -> str:
    """The one message of a command that the user got wrong; nothing is left of what it began."""
    before = {path for path in home.rglob("*") if path.is_file()}
    done = run(*arguments, home=home)
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    assert {path for path in home.rglob("*") if path.is_file()} == before
    return done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three people's captures."""
    place = tmp_path / "captures"
    for i, clip in enumerate(("anna_walk_01", "anna_walk_02", "ben_jump", "cleo_walk_01")):
        acting.captured(place, clip, acting.acted(61, seed=i))
    return place


def test_a_folder_becomes_a_set_that_a_study_reads(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    found = told("import", "amc", folder, "--out", "mine", "--test", "cleo", "--validation", "ben", home=home)
    assert found["file"] == str(home / "data" / "mine.npz")
    assert (found["clips"], found["fps"], found["split_by"]) == (4, 50.0, "as told")
    assert found["subjects"] == {"train": ["anna"], "validation": ["ben"], "test": ["cleo"]}
    assert "licence" not in found
    splits = load(DataConfig(name="npz", set="mine", cameras=2), 9, home)
    assert [view.recording for view in splits.train.views] == ["anna/walk 01"] * 2 + ["anna/walk 02"] * 2
    assert {view.action for view in splits.validation.views} == {"jump"}
    assert splits.info["clips"] == {"train": 2, "validation": 1, "test": 1}


def test_the_spine_gets_one_length_unless_it_is_to_stay_raw(folder: Path, tmp_path: Path) -> None:
    lengths = {}
    for name, more in (("even", []), ("raw", ["--raw-spine"])):
        path = tmp_path / f"{name}.npz"
        told("import", "amc", folder, "--out", path, "--fps", "120", *more, home=tmp_path)
        recordings = [r for r in read_file(path).recordings if r.subject == "anna"]
        lengths[name] = np.concatenate([bone_lengths(r.world_TJ3) for r in recordings])
    spine = [joint - 1 for joint in SPINE]
    np.testing.assert_allclose(np.ptp(lengths["even"][:, spine], axis=0), 0, atol=1e-6)
    assert np.ptp(lengths["raw"][:, spine], axis=0).min() > 1e-4
    np.testing.assert_allclose(lengths["even"][0, spine], np.median(lengths["raw"][:, spine], axis=0), atol=1e-6)
    np.testing.assert_allclose(np.delete(lengths["even"], spine, 1), np.delete(lengths["raw"], spine, 1), atol=1e-6)


def test_positions_are_the_expected_ones(folder: Path, tmp_path: Path) -> None:
    told("import", "amc", folder, "--out", "all", "--fps", "120", "--raw-spine", home=tmp_path)
    for i, recording in enumerate(read_file(tmp_path / "data" / "all.npz").recordings):
        np.testing.assert_allclose(recording.world_TJ3, acting.joints(acting.acted(61, seed=i)), atol=1e-6)


@pytest.mark.skipif(not RAW.is_dir(), reason="the capture files are not beside the repository")
def test_real_captures_agree_and_carry_their_licence(tmp_path: Path) -> None:
    found = told("import", "amc", RAW, "--fps", "120", "--raw-spine", home=tmp_path)
    assert found["subjects"] == {"train": ["S16"], "validation": [], "test": ["S02"]}
    assert found["licence"] == LICENCE
    contents = read_file(tmp_path / "data" / "raw.npz")
    assert contents.info.licence == LICENCE
    clips = {r.key: r.world_TJ3 for r in contents.recordings}
    names = {
        "02_01": "S02/Walking 1",
        "02_03": "S02/Running 3",
        "16_35": "S16/Clip 35",
        "16_55": "S16/Running 55",
    }
    with np.load(RAW / "expected_positions_120hz.npz", allow_pickle=False) as expected:
        assert set(names) == set(expected.files)
        for clip, key in names.items():
            assert np.abs(clips[key] - expected[clip]).max() < 1e-6


def test_a_glitch_leaves_its_clip_out(folder: Path, tmp_path: Path) -> None:
    values = acting.acted(61, seed=9)
    values["lhumerus"][30] += 60
    acting.captured(folder, "anna_fall_03", values)
    found = told("import", "amc", folder, "--out", "a", home=tmp_path)
    assert found["clips"] == 4
    ((file, why),) = found["left_out"].items()
    assert file.endswith("anna_fall_03.amc")
    assert "left wrist moves at" in why
    assert told("import", "amc", folder, "--out", "b", "--keep-glitches", home=tmp_path)["clips"] == 5
    spoken = run("import", "amc", folder, "--out", "c", home=tmp_path).stdout
    assert "left out: " in spoken


def test_bvh_of_several_folders_becomes_subjects(folder: Path, tmp_path: Path) -> None:
    from tests.mocap.test_bvh import motion

    for person in ("dora", "eve", "finn"):
        (tmp_path / "bvh" / person).mkdir(parents=True)
        text = acting.bvh(motion(tmp_path / "made"), acting.CGSPEED)
        (tmp_path / "bvh" / person / "dance.bvh").write_text(text)
    found = told("import", "bvh", tmp_path / "bvh", home=tmp_path)
    assert found["subjects"] == {"train": ["dora"], "validation": ["eve"], "test": ["finn"]}
    assert "--test" in found["split_by"]
    assert found["units"] == ["cmu, since legs are 0.62 to 1.08 m long"]
    assert not found["warnings"]


def test_odd_people_are_told(folder: Path, tmp_path: Path) -> None:
    skeleton = folder / "anna" / "anna.asf"
    skeleton.write_text(skeleton.read_text().replace("length 7.6", "length 5.0", 1))
    warnings = told("import", "amc", folder, "--out", "a", home=tmp_path)["warnings"]
    assert any(text.startswith("anna: left_knee ends a bone of 0.28 m") for text in warnings)
    lying = told("import", "amc", folder, "--out", "b", "--up", "z", home=tmp_path)["warnings"]
    assert any("lies or hangs" in text for text in lying)


def own(tmp_path: Path, fps: float = 25.0, **more: Any) -> Path:
    """A file in this program's own layout, as a user would write it."""
    rng = np.random.default_rng(0)
    arrays = {
        f"{who}/wave {i}": (acting.joints(acting.acted(20, seed=i)) + rng.normal(0, 1e-4, (20, 17, 3))).astype(
            np.float32
        )
        for i, who in enumerate(("x", "y", "z"))
    }
    info = {"fps": fps, "units": "m", "train": ["x"], "validation": ["y"], "test": ["z"], "source": "us", **more}
    path = tmp_path / "own.npz"
    np.savez(path, **arrays, info=np.array(json.dumps(info)))  # type: ignore[arg-type]
    return path


def test_own_recordings_are_resampled_and_keep_their_cameras(tmp_path: Path) -> None:
    camera = {
        "name": "door",
        "orientation": [0.5, -0.5, 0.5, -0.5],
        "translation": [-5.0, 0.5, 1.0],
        "intrinsic": [2.0, 2.0, 0, 0, 0, 0, 0, 0, 0],
        "resolution": [1000, 1000],
    }
    found = told("import", "npz", own(tmp_path, cameras={"x": [camera]}), "--out", "o", home=tmp_path)
    assert found["subjects"] == {"train": ["x"], "validation": ["y"], "test": ["z"]}
    assert found["source"] == "us"
    before, after = read_file(tmp_path / "own.npz"), read_file(tmp_path / "data" / "o.npz")
    assert after.info.fps == 50.0
    for one, other in zip(before.recordings, after.recordings, strict=True):
        assert len(other.world_TJ3) == 2 * len(one.world_TJ3) - 1
        np.testing.assert_allclose(other.world_TJ3[::2], one.world_TJ3, atol=1e-6)
        assert other.cameras == one.cameras
    views = load(DataConfig(name="npz", set="o", cameras=3), 9, tmp_path).train.views
    assert [view.camera.name for view in views] == ["door"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("amc", "nowhere"), "no such file or folder"),
        (("bvh", "captures"), "holds no .bvh file"),
        (("amc", "captures", "--out", "a/b"), "ends in .npz"),
        (("amc", "captures", "--out", "ä"), "no name for a set"),
        (("amc", "captures", "--test", "clea"), "did you mean 'cleo'?"),
        (("amc", "captures", "--test", "cleo", "--validation", "ben,cleo"), "is under --test as well"),
        (("amc", "captures", "--unit", "yard"), "--unit yard"),
        (("amc", "captures", "--unit", "inch"), "a thigh of"),
        (("npz", "captures", "--raw-spine"), "--raw-spine"),
        (("bvh", "captures", "--source-fps", "60"), "--source-fps"),
        (("amc", "captures", "--out", "captures/anna/anna.asf/x.npz"), "can't be written"),
        (("amc", "captures/anna/anna.asf"), "anna.asf"),
    ],
)
def test_what_cannot_be_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused("import", *arguments, home=tmp_path)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_cut, "cut short"),
        (lambda path: path.with_name("ben.asf").unlink(), "put its skeleton there as ben.asf"),
        (lambda path: path.write_bytes(bytes(range(256))), "ben_jump.amc"),
        (lambda path: path.with_name("ben_jump_1.amc").write_bytes(path.read_bytes()), "would both be ben/jump 1"),
    ],
)
def test_one_bad_file_of_many_stops_the_import(
    folder: Path, tmp_path: Path, damage: Callable[[Path], Any], said: str
) -> None:
    damage(folder / "ben" / "ben_jump.amc")
    assert said in refused("import", "amc", folder, home=tmp_path)


def test_all_clips_with_glitches_leave_nothing_to_import(folder: Path, tmp_path: Path) -> None:
    values = acting.acted(61, pace=60)
    path = acting.captured(tmp_path / "fast", "01_01", values)
    assert "no other clip is left" in refused("import", "amc", path, home=tmp_path)


def test_what_is_there_is_only_replaced_by_force(folder: Path, tmp_path: Path) -> None:
    told("import", "amc", folder, "--out", "a", home=tmp_path)
    content = (tmp_path / "data" / "a.npz").read_bytes()
    assert "add --force" in refused("import", "amc", folder, "--out", "a", "--fps", "25", home=tmp_path)
    assert (tmp_path / "data" / "a.npz").read_bytes() == content
    assert told("import", "amc", folder, "--out", "a", "--fps", "25", "--force", home=tmp_path)["fps"] == 25
    assert (tmp_path / "data" / "a.npz").read_bytes() != content
    assert told("import", "amc", folder, "--out", "b", home=tmp_path)
    assert (tmp_path / "data" / "b.npz").read_bytes() == content  # the same files give the same bytes


def test_a_full_disk_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=16k"):
        done = run("import", "amc", folder, "--out", disk / "a.npz", home=tmp_path)
        assert done.exit_code == 2
        assert "No space left" in done.stderr
        assert not list(disk.iterdir())
