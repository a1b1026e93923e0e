"""`ablate lift`: a detector's file becomes files of poses.

Legend: T frames, J joints.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ablate.data.skeleton import NAMES
from ablate.lift.lifting import SHIPPED
from tests.checkpoints import ablate_, refused
from tests.lift import files
from tests.lift.command import SIZE, VIDEO, left, poses, told
from tests.lift.filmed import Film, film, swaying
from tests.lift.test_bvh import joints, read

pytestmark = pytest.mark.usefixtures("inside")


def test_an_npz_holds_the_poses_and_everything_needed_to_read_them(lifter: Path, shot: Film) -> None:
    info = told(lifter, *VIDEO, "--focal", "1900", "--out", "p.npz", "--hypotheses", "3", "--seed", "7")
    found = poses("p.npz")
    assert set(found) == {"info", *(f"1/{name}" for name in KEYS)}
    shapes = {name: found[f"1/{name}"].shape for name in KEYS}
    assert shapes == {name: (40, *shape) for name, shape in KEYS.items()}
    assert found["1/frame"].tolist() == list(range(1, 41))
    assert not found["1/pose_m"][:, 0].any()
    root = found["1/placed_m"] - found["1/pose_m"]
    np.testing.assert_allclose(root, np.broadcast_to(root[:, :1], root.shape), atol=1e-5)
    assert found["1/spread_m"].min() >= 0
    np.testing.assert_allclose(found["1/keypoints_px"][:, 13], shot.xy_TK2[:, 9], atol=1e-3)
    said = json.loads(str(found["info"]))
    assert said == {name: value for name, value in info.items() if name != "files"}
    assert said["joints"] == list(NAMES)
    assert (said["fps"], said["size_px"], said["focal_px"], said["focal_assumed"]) == (
        50.0,
        [1920, 1080],
        1900.0,
        False,
    )
    assert said["sampling"] == {"hypotheses": 3, "steps": 1, "flip": True, "seed": 7}
    assert said["lifter"]["host"] == "d3dp"
    assert said["provenance"].keys() >= {"commit", "command", "ablate", "device", "torch", "started"}
    assert said["people"]["1"]["filled_percent"] == 0


KEYS: dict[str, tuple[int, ...]] = {
    "frame": (),
    "pose_m": (17, 3),
    "placed_m": (17, 3),
    "spread_m": (17,),
    "keypoints_px": (17, 2),
    "filled": (17,),
}


def test_csv_and_bvh_hold_the_same_poses(lifter: Path) -> None:
    told(lifter, *VIDEO, "--out", "p.npz", "--out", "p.csv", "--out", "p.bvh")
    pose, placed, spread = (poses("p.npz")[f"1/{name}"] for name in ("pose_m", "placed_m", "spread_m"))
    table = pd.read_csv("p.csv")
    assert len(table) == 40 * 17
    assert table["joint"].tolist() == list(NAMES) * 40
    for columns, array in (
        (["x_m", "y_m", "z_m"], pose),
        (["placed_x_m", "placed_y_m", "placed_z_m"], placed),
        (["spread_m"], spread[..., None]),
    ):
        np.testing.assert_allclose(table[columns].to_numpy(), array.reshape(-1, len(columns)), atol=6e-6)
    assert table["seconds"].iloc[-1] == pytest.approx(39 / 50)
    assert table["frame"].iloc[-1] == 40
    root, values, frame_time = read(Path("p.bvh").read_text())
    assert frame_time == pytest.approx(0.02)
    np.testing.assert_allclose(joints(root, values)[:, 0], placed[:, 0], atol=1e-5)


def test_the_same_again_is_the_same_and_another_seed_is_not(lifter: Path) -> None:
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        told(lifter, *VIDEO, "--out", f"{name}.npz", "--seed", seed)
    a, b, c = (poses(f"{name}.npz")["1/pose_m"] for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 1e-3


def test_every_layout_is_lifted_to_the_same_poses(lifter: Path, tmp_path: Path, shot: Film) -> None:
    found = []
    for kind in files.WRITERS:
        (tmp_path / kind).mkdir()
        path = files.written(tmp_path / kind, kind, shot)
        info = told(lifter, *VIDEO, "--out", f"{kind}.npz", file=str(path))
        assert info["format"] == kind
        found.append(poses(f"{kind}.npz")[f"{next(iter(info['people']))}/pose_m"])
    for pose in found[1:]:
        np.testing.assert_allclose(pose, found[0], atol=2e-3)


@pytest.mark.parametrize("fps", [25.0, 30.0, 120.0])
def test_the_videos_own_rate_goes_in_and_comes_out(lifter: Path, fps: float) -> None:
    info = told(lifter, *SIZE, "--fps", str(fps), "--out", "p.npz", "--out", "p.csv")
    assert info["fps"] == fps
    assert poses("p.npz")["1/pose_m"].shape == (40, 17, 3)
    assert pd.read_csv("p.csv")["seconds"].iloc[-1] == pytest.approx(39 / fps, abs=1e-6)


def test_the_rate_that_the_lifter_knows_counts(lifter: Path) -> None:
    told(lifter, *SIZE, "--fps", "25", "--rate", "25", "--out", "same.npz")
    told(lifter, *VIDEO, "--out", "fifty.npz")
    np.testing.assert_array_equal(poses("same.npz")["1/pose_m"], poses("fifty.npz")["1/pose_m"])


def test_several_people_each_have_their_own(lifter: Path, shot: Film) -> None:
    other = film(swaying(40, seed=2), np.random.default_rng(5))
    other.xy_TK2[:] -= 300
    files.mmpose(Path("two.json"), shot, other, tracked=True)
    info = told(lifter, *VIDEO, "--out", "p.npz", "--out", "p.bvh", "--out", "p.csv", file="two.json")
    assert set(info["people"]) == {"0", "1"}
    assert [Path(name).name for name in info["files"]] == ["p.npz", "p-0.bvh", "p-1.bvh", "p.csv"]
    assert set(pd.read_csv("p.csv")["person"]) == {0, 1}
    both = poses("p.npz")
    assert "2/pose_m" not in both
    told(lifter, *VIDEO, "--out", "one.npz", "--out", "one.bvh", "--person", "1", file="two.json")
    one = poses("one.npz")
    assert "0/pose_m" not in one
    np.testing.assert_array_equal(one["1/pose_m"], both["1/pose_m"])
    assert Path("one.bvh").read_text() == Path("p-1.bvh").read_text()


def test_a_track_of_any_name_stays_in_its_folder(lifter: Path, shot: Film) -> None:
    content = json.loads(files.mmpose(Path("two.json"), shot, shot).read_text())
    for entry in content["instance_info"]:
        for name, person in zip(("../../me, too", "you"), entry["instances"], strict=True):
            person["track_id"] = name
    Path("two.json").write_text(json.dumps(content))
    info = told(lifter, *VIDEO, "--out", "p.bvh", "--out", "p.csv", file="two.json")
    assert [Path(name).name for name in info["files"]] == ["p-.._.._me_too.bvh", "p-you.bvh", "p.csv"]
    assert left() == {"two.json", "p-.._.._me_too.bvh", "p-you.bvh", "p.csv"}
    assert set(pd.read_csv("p.csv")["person"]) == {".._.._me_too", "you"}


def test_only_a_few_of_those_left_out_are_told(lifter: Path, shot: Film) -> None:
    score, passing = shot.score_TK[None].repeat(9, axis=0), range(1, 9)
    points = np.stack([shot.xy_TK2 + 5 * person for person in range(9)])
    for person in passing:
        score[person, : 4 * person] = score[person, 4 * person + 2 :] = 0
    np.savez("nine.npz", keypoints=points.swapaxes(0, 1), scores=score.swapaxes(0, 1), fps=50.0, size=(1920, 1080))
    shown = ablate_("lift", "nine.npz", "--checkpoint", lifter, "--out", "p.npz").stdout
    assert shown.count("left out: found in 2 frames only") == 5
    assert "and 3 more people left out" in shown


def test_what_was_filled_and_assumed_is_told(lifter: Path, shot: Film) -> None:
    score = shot.score_TK.copy()
    score[10:15] = 0
    score[20:24, 9] = 0.01
    content = json.loads(Path("k.json").read_text())
    for entry, row in zip(content["instance_info"], score.tolist(), strict=True):
        entry["instances"][0]["keypoint_scores"] = row
    Path("gaps.json").write_text(json.dumps(content))
    done = ablate_("lift", "gaps.json", "--checkpoint", lifter, *VIDEO, "--out", "p.npz")
    shown = " ".join(done.stdout.split())
    for text in (
        "read as mmpose with coco17, 1920x1080, 50 frames a second",
        "person 1: 40 frames from 1 on, 5 of them without this person; 13.1 % of the joints filled (left_wrist 22 %",
        "the longest gap 5",
        "assumed a focal length of 2198 pixels, as of Human3.6M's cameras",
        "p.npz",
    ):
        assert text in shown
    assert poses("p.npz")["1/filled"].sum() == 5 * 17 + 4


def test_a_deterministic_lifter_has_one_pose_and_no_spread(tmp_path: Path) -> None:
    lifter = files.lifter(tmp_path / "m.safetensors", "mixste")
    assert told(lifter, *VIDEO, "--out", "p.npz", "--out", "p.csv")["sampling"]["hypotheses"] == 1
    assert np.isnan(poses("p.npz")["1/spread_m"]).all()
    assert pd.read_csv("p.csv")["spread_m"].isna().all()
    message = refused("lift", "k.json", "--checkpoint", lifter, *VIDEO, "--out", "q.npz", "--hypotheses", "2")
    assert "deterministic" in message


def test_a_single_frame_and_a_picture_higher_than_wide_are_lifted(lifter: Path) -> None:
    one = film(swaying(1), np.random.default_rng(0), size=(1080, 1920))
    files.npz(Path("one.npz"), one)
    told(lifter, "--out", "p.npz", "--out", "p.bvh", "--render", "p.gif", file="one.npz")
    assert np.isfinite(poses("p.npz")["1/placed_m"]).all()


def test_the_animation_shows_the_seconds_asked_for(lifter: Path) -> None:
    told(lifter, *VIDEO, "--out", "p.npz", "--render", "p.gif", "--render-seconds", "0.5")
    with Image.open("p.gif") as picture:
        assert picture.n_frames == 6  # type: ignore[attr-defined]
        assert picture.info["duration"] == 80
        first = np.asarray(picture.convert("RGB"), np.int16)
        picture.seek(5)
        assert np.abs(np.asarray(picture.convert("RGB"), np.int16) - first).max() > 100
    half = first.shape[1] // 2
    for side in (first[:, :half], first[:, half:]):
        assert (np.ptp(side, axis=-1) > 60).any()  # limbs are coloured


def test_without_ffmpeg_there_is_no_mp4(lifter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    arguments = ("k.json", "--checkpoint", lifter, *VIDEO, "--out", "p.npz", "--render", "p.mp4")
    assert "ffmpeg, which mp4 needs, is not installed; name a .gif" in " ".join(refused("lift", *arguments).split())
    assert left() == set()


def test_what_comes_along_lifts_motion_that_it_never_saw() -> None:
    from ablate.data.config import DataConfig
    from ablate.data.recording import Recording
    from ablate.data.synthetic import read as motion

    errors = []
    for number, one in enumerate(list(motion(DataConfig(clip_seconds=3)).splits["test"])[:4]):
        assert isinstance(one, Recording)
        shot = film(one.world_TJ3, np.random.default_rng(number))
        files.npz(Path("s.npz"), shot)
        assert ablate_("lift", "s.npz", "--out", "p.npz", "--force").exit_code == 0
        truth = shot.truth_TJ3 - shot.truth_TJ3[:, :1]
        errors.append(np.linalg.norm(poses("p.npz")["1/pose_m"] - truth, axis=-1).mean())
    assert SHIPPED.stat().st_size < 5e6
    assert np.mean(errors) < 0.12
