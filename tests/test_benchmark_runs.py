"""Studies and files of weights on the benchmarks: files in their exact layouts go through `run` and `evaluate`."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ablate.data import load, npz
from ablate.data.config import DataConfig
from ablate.data.layout import bundle
from ablate.loading import check
from ablate.records import Record
from ablate.runner import run
from ablate.source import parse
from ablate.terminal import Plain
from ablate.workspace import Workspace
from tests.benchmarks import dhp3, h36m
from tests.checkpoints import ablate_, in_training, refused
from tests.motion import recording
from tests.reference import Numbers

STUDY = """\
name: {name}
question: Does it run?
baseline: d3dp
model: {{name: d3dp, size: tiny, width: 16, heads: 2, frames: 9}}
data: {{{data}}}
train: {{epochs: 1, batch: 64, windows: 64, accelerator: cpu}}
evaluate: {{hypotheses: 2, steps: 2, batch: 64, flip: false}}
measure: {{repeats: 1, warmup: 0}}
"""
H36M = "name: h36m, path: h36m"
DHP3 = "name: 3dhp, path: 3dhp, input: gt, annotations: univ_annot3"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both benchmarks, and an imported lifter of 9 frames."""
    folder = tmp_path_factory.mktemp("benchmarks")
    h36m(folder / "h36m", frames=20)
    dhp3(folder / "3dhp", frames=20)
    torch.save(in_training(Numbers("d3dp").state()), folder / "d3dp.bin")
    return folder


@pytest.fixture(autouse=True)
def inside(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def recorded(data: str, name: str) -> Record:
    study = check(parse(STUDY.format(name=name, data=data), f"{name}.yaml"))
    outcome = run(study, Workspace(), Plain(quiet=True))
    assert not outcome.failures
    (record,) = outcome.records
    return record


def test_a_study_on_human36m(place: Path) -> None:
    record = recorded(H36M, "on_h36m")
    assert record.data["subjects"]["test"] == ["S9", "S11"]
    assert record.data["input"] == "detector"
    assert "path" not in record.config["data"]
    splits = load(DataConfig(name="h36m", path="h36m"), 9, Path(".ablate"))
    assert record.data["digest"] == splits.digest
    assert record.arrays["test/frames"].sum() == sum(len(view) for view in splits.test.views)
    assert {m.action for m in record.metrics if m.split == "test"} == {"", "Walking", "Sitting"}
    assert {label.split()[-1] for label in record.windows["test"]["recordings"]} == {
        "54138969",
        "55011271",
        "58860488",
        "60457274",
    }


def test_a_study_on_3dhp(place: Path) -> None:
    record = recorded(DHP3, "on_3dhp")
    assert record.config["data"]["annotations"] == record.data["annotations"] == "univ_annot3"
    config = DataConfig(name="3dhp", path="3dhp", input="gt", annotations="univ_annot3")
    splits = load(config, 9, Path(".ablate"))
    valid = sum(int(view.valid_T.sum()) for view in splits.test.views if view.valid_T is not None)
    assert record.arrays["test/frames"].sum() == valid < sum(len(view) for view in splits.test.views)
    assert {m.action for m in record.metrics if m.split == "test"} == {"", *(f"TS{i}" for i in range(1, 7))}


def test_a_study_and_weights_on_ones_own_recordings() -> None:
    home = Path(".ablate")
    clips = [replace(recording("wave 1", "wave", 40, i), subject=who) for i, who in enumerate(("ann", "bo", "cy"))]
    npz.folder(home).mkdir(parents=True, exist_ok=True)
    content = bundle(clips, {"fps": 50.0, "train": ["ann"], "validation": ["bo"], "test": ["cy"]})
    (npz.folder(home) / "ours.npz").write_bytes(content)
    record = recorded("name: npz, set: ours, cameras: 2", "on_ours")
    assert record.data["subjects"]["test"] == ["cy"]
    assert record.arrays["test/frames"].sum() == 2 * 40
    weights = home / "weights" / f"{record.training_key}.safetensors"
    done = ablate_("evaluate", weights, "--data", "npz", "--set", "data.set=ours", "--accelerator", "cpu", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["data"]["name"] == "npz"


def test_annotations_are_part_of_what_a_record_is() -> None:
    ids = [
        check(parse(STUDY.format(name="ids", data=data), "ids.yaml")).base["data"]
        for data in (DHP3, DHP3.replace("univ_annot3", "annot3"))
    ]
    assert ids[0] != ids[1]
    one, other = recorded(DHP3, "one"), recorded(DHP3.replace("univ_annot3", "annot3"), "other")
    assert one.trial != other.trial
    assert one.training_key != other.training_key


def test_weights_are_evaluated_on_both() -> None:
    assert ablate_("import-checkpoint", "d3dp.bin", "--model", "d3dp", "--out", "d3dp.safetensors").exit_code == 0
    for options in (
        ("--data", "h36m", "--set", "data.path=h36m", "--input", "gt"),
        ("--data", "3dhp", "--set", "data.path=3dhp", "--input", "gt", "--set", "data.annotations=annot3"),
    ):
        done = ablate_("evaluate", "d3dp.safetensors", *options, "--accelerator", "cpu", "--json")
        assert done.exit_code == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["metrics"][0]["value"] > 0
        assert found["data"]["name"] == options[1]


def test_what_is_wrong_is_told_with_its_place() -> None:
    def told(data: str) -> str:
        Path("s.yaml").write_text(STUDY.format(name="s", data=data))
        return refused("validate", "s.yaml")

    assert "s.yaml:5:" in told("name: 3dhp, input: gt")
    assert "data.annotations: 3dhp needs to be told which ground truth" in told("name: 3dhp, input: gt")
    assert "data.input: the files of 3dhp hold no detections; set data.input: gt" in told("name: 3dhp")
    assert "data.annotations: must be one of annot3, univ_annot3, got 'annot2'" in told(
        "name: 3dhp, annotations: annot2"
    )
    assert "data.hold_out: only h36m and 3dhp may" in told("name: cmu, hold_out: false")


def test_a_missing_folder_and_a_damaged_file_end_a_run_before_it_begins(tmp_path: Path) -> None:
    def told(data: str) -> str:
        Path("s.yaml").write_text(STUDY.format(name="s", data=data))
        return refused("--home", tmp_path / "home", "run", "s.yaml", "--quiet")

    assert "nowhere: holds no data_3d_h36m.npz and no data_2d_h36m_cpn_ft_h36m_dbb.npz" in told(
        "name: h36m, path: nowhere"
    )
    h36m(tmp_path, frames=9)
    whole = (tmp_path / "data_3d_h36m.npz").read_bytes()
    (tmp_path / "data_3d_h36m.npz").write_bytes(whole[: len(whole) // 2])
    assert "data_3d_h36m.npz: positions_3d can't be read" in told(f"name: h36m, path: {tmp_path}")


def test_what_is_prepared_is_told_on_stderr_unless_quiet(tmp_path: Path) -> None:
    Path("s.yaml").write_text(STUDY.format(name="s", data=H36M))
    shown = {
        options: ablate_("--home", tmp_path / f"home{i}", "run", "s.yaml", *options)
        for i, options in enumerate([(), ("--quiet",)])
    }
    assert all(done.exit_code == 0 for done in shown.values())
    assert "h36m: preparing its clips, once" in shown[()].stderr
    assert "once" not in shown["--quiet",].stderr
    ablate_("import-checkpoint", "d3dp.bin", "--model", "d3dp", "--out", tmp_path / "d3dp.safetensors")
    options = ("--data", "h36m", "--set", "data.path=h36m", "--accelerator", "cpu", "--json")
    done = ablate_("--home", tmp_path / "third", "evaluate", tmp_path / "d3dp.safetensors", *options)
    assert json.loads(done.stdout)["data"]["name"] == "h36m"
