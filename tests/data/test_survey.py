"""`ablate data list` and `ablate data info`: what is said of a dataset is what is in it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from ablate.cli.app import app
from ablate.data import load
from ablate.data.config import DataConfig
from ablate.data.layout import bundle
from ablate.data.recording import Camera, Recording
from ablate.data.skeleton import BONES, NAMES
from ablate.data.survey import survey
from ablate.data.windows import Splits, View, evaluation
from tests.benchmarks import dhp3, h36m
from tests.conftest import ROOT
from tests.motion import recording

CAMERA = Camera(
    name="door",
    orientation=(0.5, -0.5, 0.5, -0.5),
    translation=(-5.0, 0.0, 1.2),
    intrinsic=(2, 2, 0, 0, 0, 0, 0, 0, 0),
    resolution=(1920, 1080),
)


def run(*arguments: str | Path, home: Path) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), "data", *map(str, arguments)], env={"COLUMNS": "200"})


def told(*arguments: str | Path, home: Path) -> Any:
    done = run(*arguments, "--json", home=home)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused(*arguments: str | Path, home: Path) -> str:
    done = run(*arguments, home=home)
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    return done.stderr


def person(subject: str, size: float, action: str = "wave", frames: int = 50) -> Recording:
    """Somebody of that size, who moves at 1 m/s along y as a whole."""
    world_TJ3 = np.repeat(recording("x", action, 1).world_TJ3 * size, frames, axis=0)
    world_TJ3[..., 1] += np.arange(frames)[:, None] / 50
    return Recording(
        subject=subject, action=action, name=f"{action} 1", world_TJ3=world_TJ3, fps=50.0, cameras=(CAMERA,)
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one imported set, of four people of different sizes."""
    people = [person("a", 1.0), person("b", 0.5, frames=100), person("c", 1.1, "jump"), person("d", 0.9)]
    info = {"fps": 50.0, "train": ["a", "b"], "validation": ["c"], "test": ["d"], "licence": "ours", "source": "us"}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ours.npz").write_bytes(bundle(people, info))
    return tmp_path


def test_what_is_said_is_what_is_there(home: Path) -> None:
    found = told("info", "ours", home=home)
    assert found["name"] == "ours"
    assert (found["licence"], found["source"], found["fps"]) == ("ours", "us", [50.0])
    assert found["splits"]["train"] == {
        "subjects": ["a", "b"],
        "clips": 2,
        "minutes": 0.05,
        "views": 2,
        "frames": 150,
        "shortest_s": 1.0,
        "longest_s": 2.0,
    }
    assert found["splits"]["test"]["subjects"] == ["d"]
    assert found["actions"] == {"jump": 0.02, "wave": 0.07}
    assert found["speed"]["median"] == pytest.approx(1, abs=0.01)
    assert found["speed"]["max"] == pytest.approx(1, abs=0.01)
    shape = recording("x", "wave", 1).world_TJ3[0]
    for parent, child in BONES:
        bone = found["bones_cm"][f"{NAMES[parent]} to {NAMES[child]}"]
        length = 100 * float(np.linalg.norm(shape[child] - shape[parent]))
        assert bone["shortest"] == pytest.approx(0.5 * length, abs=0.02)
        assert bone["longest"] == pytest.approx(1.1 * length, abs=0.02)
        assert bone["varies_percent"] < 0.1
    assert found["cameras"]["names"] == ["door"]
    assert found["cameras"]["resolutions"] == [[1920, 1080]]
    assert found["digest"] == load(DataConfig(name="npz", set="ours"), 9, home).digest


def test_the_fastest_joint_is_named() -> None:
    still = person("a", 1.0)
    world_TJ3 = still.world_TJ3.copy()
    world_TJ3[31:, 13, 0] += 0.1
    from dataclasses import replace

    from ablate.data.film import film

    views = film(replace(still, world_TJ3=world_TJ3), DataConfig())
    windows = evaluation(views, 9)
    found = survey(Splits(train=windows, validation=windows, test=windows, digest="", info={"name": "x"}))
    assert found["speed"]["max"] == pytest.approx((5**2 + 1) ** 0.5, abs=0.01)
    assert found["speed"]["fastest"] == "left_wrist in a/wave 1 after frame 30"


def test_a_bone_that_changes_is_seen() -> None:
    still = person("a", 1.0)
    view = View(
        recording="a/wave 1",
        subject="a",
        action="wave",
        camera=CAMERA,
        camera_index=0,
        x2d_TJ2=np.zeros((50, 17, 2), np.float32),
        x3d_TJ3=np.linspace(1, 1.2, 50, dtype=np.float32)[:, None, None] * (still.world_TJ3 - still.world_TJ3[:, :1]),
        root_T3=np.ones((50, 3), np.float32),
        fps=50.0,
    )
    windows = evaluation([view], 9)
    found = survey(Splits(train=windows, validation=windows, test=windows, digest="", info={"name": "x"}))
    for bone in found["bones_cm"].values():
        assert bone["varies_percent"] == pytest.approx(100 * 0.18 / 1.1, abs=0.5)


def test_a_person_can_read_it(home: Path) -> None:
    done = run("info", "ours", home=home)
    assert done.exit_code == 0, done.output
    for text in ("train: a, b", "left hip to left knee", "licence: ours", "at most 1.00", "cameras: 1 a clip (door)"):
        assert text in done.stdout


def test_a_set_with_an_empty_split_can_be_looked_into(home: Path) -> None:
    info = {"fps": 50.0, "train": [], "test": ["a"]}
    (home / "data" / "test_only.npz").write_bytes(bundle([person("a", 1.0)], info))
    found = told("info", "test_only", home=home)
    assert [found["splits"][name]["clips"] for name in ("train", "validation", "test")] == [0, 0, 1]


def test_a_file_anywhere_and_settings(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.npz"
    (home / "data" / "ours.npz").rename(path)
    assert told("info", "npz", "--path", path, home=home)["splits"]["train"]["clips"] == 2
    found = told("info", "synthetic", "--set", "data.clip_seconds=1", "--set", "data.cameras=2", home=home)
    assert found["splits"]["test"] == {
        "subjects": ["P13", "P14", "P15", "P16"],
        "clips": 36,
        "minutes": 0.6,
        "views": 72,
        "frames": 3600,
        "shortest_s": 1.0,
        "longest_s": 1.0,
    }


@pytest.mark.parametrize("name", ["ours", "synthetic"])
def test_the_picture_shows_people_and_cameras(home: Path, name: str) -> None:
    path = home / "pictures" / "one.png"
    more = ["--set", "data.clip_seconds=1"] if name == "synthetic" else []
    assert told("info", name, "--picture", path, *more, home=home)["picture"] == str(path)
    with Image.open(path) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(2**24) or []}
    assert {(0, 114, 178), (230, 159, 0), (0, 158, 115)} <= colours  # left, right and the root's way
    assert [p.name for p in path.parent.iterdir()] == ["one.png"]


def test_benchmarks_are_looked_into(home: Path) -> None:
    h36m(home / "h36m", frames=20)
    found = told("info", "h36m", "--path", home / "h36m", "--picture", home / "h36m.png", home=home)
    assert found["splits"]["test"]["subjects"] == ["S9", "S11"]
    assert found["cameras"]["names"] == ["54138969", "55011271", "58860488", "60457274"]
    assert "CC BY-NC 4.0" in found["licence"]
    dhp3(home / "3dhp", frames=20)
    settings = ("--set", "data.annotations=annot3", "--set", "data.input=gt")
    found = told("info", "3dhp", "--path", home / "3dhp", "--picture", home / "3dhp.png", *settings, home=home)
    assert found["annotations"] == "annot3"
    assert found["fps"] == [25.0, 50.0]
    assert found["splits"]["test"]["views"] == 6
    assert "annotations: annot3" in run("info", "3dhp", "--path", home / "3dhp", *settings, home=home).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("info", "our"), "did you mean 'ours'?"),
        (("info", "syntetic"), "did you mean 'synthetic'?"),
        (("info", "ours", "--set", "model.name=d3dp"), "is no setting of data"),
        (("info", "ours", "--set", "data.camera=1"), "unknown key 'camera'"),
        (("info", "cmu", "--path", "nowhere"), "nowhere"),
        (("info", "ours", "--picture", "one.txt"), "let its name end in .png"),
        (("info", "ours", "--picture", "data/ours.npz/one.png"), "can't be written"),
    ],
)
def test_what_cannot_be_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any, said: str) -> None:
    monkeypatch.chdir(home)
    monkeypatch.delenv("ABLATE_DATA", raising=False)
    assert said in refused(*arguments, home=home)


def test_the_list_has_all_datasets_and_sets(home: Path) -> None:
    (home / "data" / "broken.npz").write_bytes(b"PK")
    found = told("list", home=home)
    names = [entry["name"] for entry in found["datasets"]]
    assert {"synthetic", "cmu", "h36m", "3dhp", "npz"} <= set(names)
    assert all(len(entry["about"]) > 20 for entry in found["datasets"])
    broken, ours = found["sets"]
    assert (ours["name"], ours["clips"], ours["minutes"], ours["fps"]) == ("ours", 4, 0.08, 50.0)
    assert ours["subjects"] == {"train": ["a", "b"], "validation": ["c"], "test": ["d"]}
    assert "cut short" in broken["problem"]
    done = run("list", home=home)
    assert done.exit_code == 0
    assert "ours" in done.stdout
    assert "broken.npz" in done.stderr


def test_a_plugin_s_dataset_is_listed_and_looked_into(home: Path) -> None:
    plugin = home / "mine.py"
    plugin.write_text(
        "from ablate.data.synthetic import read as made\n"
        "def read(config):\n"
        '    """Somebody\'s own."""\n'
        "    return made(config)\n"
        'DATASETS = {"mine": read}\n'
    )
    import subprocess
    import sys

    command = [sys.executable, "-m", "ablate", "--home", str(home), "data"]
    more = ["--json", "--plugin", str(plugin)]
    listed = subprocess.run([*command, "list", *more], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"name": "mine", "about": "Somebody's own."} in json.loads(listed.stdout)["datasets"]
    looked = [*command, "info", "mine", "--set", "data.clip_seconds=1", *more]
    found = json.loads(subprocess.run(looked, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert found["splits"]["train"]["clips"] == 90


@pytest.mark.parametrize("command", ["list", "info", "import", "fetch"])
def test_every_command_has_help_with_an_example(command: str, tmp_path: Path) -> None:
    done = run(command, "--help", home=tmp_path)
    assert done.exit_code == 0
    assert f"Example: ablate data {command}" in done.stdout
