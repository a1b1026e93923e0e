"""`ablate evaluate`: a file of weights gives the errors that a study would record, with what it costs beside them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import ablate
import models
from ablate.data.config import DataConfig
from ablate.evaluate import evaluate
from ablate.sections import EvaluateConfig
from tests.checkpoints import ablate_, in_training, refused
from tests.conftest import TINY
from tests.reference import Numbers

SHORT = ("--set", "data.clip_seconds=1", "--set", "data.cameras=1", "--accelerator", "cpu")
ON = ("--data", "synthetic", *SHORT)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an imported diffusion lifter of 9 frames and a deterministic one."""
    folder = tmp_path_factory.mktemp("weights")
    for model in ("d3dp", "mixste"):
        torch.save(in_training(Numbers(model).state()), folder / f"{model}.bin")
        arguments = (folder / f"{model}.bin", "--model", model, "--out", folder / f"{model}.safetensors")
        assert ablate_("import-checkpoint", *arguments).exit_code == 0
    return folder


@pytest.fixture(autouse=True)
def inside(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    monkeypatch.delenv("ABLATE_DATA", raising=False)


def told(*arguments: str) -> dict[str, Any]:
    done = ablate_("evaluate", *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_json_holds_every_metric_with_what_is_needed_to_read_it() -> None:
    how = ("--hypotheses", "2", "--steps", "2", "--no-flip", "--seed", "3", "--split", "validation", "--input", "gt")
    found = told("d3dp.safetensors", *ON, *how)
    data = DataConfig(clip_seconds=1, cameras=1, input="gt")
    windows = ablate.data.load(data, 9, Path(".ablate"))
    config = EvaluateConfig(hypotheses=2, steps=2, flip=False)
    lifter, device = models.load("d3dp.safetensors"), torch.device("cpu")
    alone = evaluate(lifter, windows.validation, config, seed=3, split="validation", input="gt", device=device)
    assert found["metrics"] == [metric._asdict() for metric in alone.metrics]
    assert found["frames"] == alone.frames.sum() > 0
    assert found["data"]["digest"] == windows.digest
    cost = models.cost(lifter.config, hypotheses=2, steps=2, flip=False)
    assert found["compute"] == {
        "params_m": cost.params_m,
        "pass_gmacs": cost.pass_gmacs,
        "inference_gmacs": cost.inference_gmacs,
    }
    assert found["provenance"].keys() >= {"commit", "device", "dtype", "torch", "command", "started"}
    assert (found["seed"], found["host"], found["config"]["evaluate"]["flip"]) == (3, "d3dp", False)


def test_the_table_marks_oracles_and_says_what_it_is_of() -> None:
    how = ("--hypotheses", "2", "--by-action", "--set", "evaluate.batch=64")
    shown = ablate_("evaluate", "d3dp.safetensors", *ON, *how).stdout
    for text in (
        "mean",
        "jpma",
        "reprojection_weighted",
        "jpma_true_root (oracle)",
        "p_best (oracle)",
        "j_best (oracle)",
        "p_best_batch: one hypothesis for 4 windows",
        "reference",
        "acceleration_error mm/frame^2",
        "mpjve mm/frame",
        "Walking",
        "2 hypotheses, 1 steps, flip",
    ):
        assert text in shown
    for text in (
        "input detector, protocol exact",
        "GMACs a window (closed form)",
        "seed 0, float32, cpu",
        "on synthetic",
    ):
        assert text in " ".join(shown.split())
    one = ablate_("evaluate", "mixste.safetensors", *ON).stdout
    assert "oracle" not in one
    assert "Walking" not in one


def test_a_dense_checkpoint_is_pruned_without_training() -> None:
    dense = told("mixste.safetensors", *ON)
    prune = ("--set", "model.pruning.tcep={keep_frames: 3, keep_ratio: null, policy: uniform}")
    pruned = told("mixste.safetensors", *ON, *prune, "--set", "model.pruning.sft={}")
    assert pruned["compute"]["inference_gmacs"] < 0.9 * dense["compute"]["inference_gmacs"]
    assert pruned["compute"]["params_m"] == dense["compute"]["params_m"]
    assert pruned["metrics"][0]["value"] != dense["metrics"][0]["value"]
    assert pruned["config"]["model"]["pruning"]["tcep"]["keep_frames"] == 3


def test_weights_of_a_study_give_what_it_recorded(tmp_path: Path) -> None:
    less = {"seeds: [0, 1]": "seeds: [1]", "[1.0, 0.6]": "[0.6]", "[5, 3]": "[3]", "windows: 64": "windows: 16"}
    text = TINY
    for many, few in less.items():
        text = text.replace(many, few)
    (tmp_path / "s.yaml").write_text(text)
    outcome = ablate.run(tmp_path / "s.yaml", home=tmp_path / "home", reports=tmp_path / "reports", quiet=True)
    assert len(outcome.records) == 2
    for record in outcome.records:
        path = tmp_path / "home" / "weights" / f"{record.training_key}.safetensors"
        settings = [f"--set=model.{at}={value}" for at, value in kept(record.config["model"]["pruning"]).items()]
        how = ("--hypotheses", "2", "--steps", "2", "--seed", "1", "--set", "evaluate.batch=64")
        found = told(str(path), *ON, *how, *settings)
        assert found["metrics"] == [m._asdict() for m in record.metrics if m.split == "test"]
        assert found["compute"]["inference_gmacs"] == record.compute["inference_gmacs"]
        assert found["data"]["digest"] == record.data["digest"]


def kept(pruning: dict[str, Any] | None) -> dict[str, Any]:
    """The counts that elastic weights leave open."""
    if pruning is None:
        return {}
    tcep, mgptp = pruning["tcep"], pruning["mgptp"]
    return {"pruning.tcep.keep_ratio": tcep["keep_ratio"], "pruning.mgptp.clusters": mgptp["clusters"]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("d3dp.safetensors", "--data", "syntetic"), "--data: data.name: must be one of"),
        (("d3dp.safetensors", "--data", "syntetic"), "did you mean 'synthetic'?"),
        (("d3dp.safetensors", "--data", "cmu"), "cmu: not told where cmu_h36m17.npz is"),
        (("nowhere.safetensors", *ON), "nowhere.safetensors: can't be read"),
        ((".", *ON), ".: can't be read"),
        (("d3dp.bin", *ON), "d3dp.bin: is no lifter's file"),
        (("mixste.safetensors", *ON, "--steps", "2"), "--steps: evaluate.steps: mixste is deterministic"),
        (("mixste.safetensors", *ON, "--set", "evaluate.setps=2"), "unknown key 'setps'; did you mean 'steps'?"),
        (
            ("mixste.safetensors", *ON, "--set", "train.epochs=2"),
            "those of this command start with data., evaluate., model.",
        ),
        (("mixste.safetensors", *ON, "--set", "model.width=64"), "its weights don't fit"),
        (("mixste.safetensors", *ON, "--set", "model.frames=81"), "its weights don't fit"),
    ],
)
def test_wrong_input_is_one_clear_message(arguments: tuple[str, ...], said: str) -> None:
    text = refused("evaluate", *arguments)
    assert said in text
    assert text.count("\n") <= 4


def test_a_window_longer_than_every_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(models.serialised(models.build("mixste", "tiny", frames=60)))
    said = refused("evaluate", tmp_path / "w.safetensors", *ON)
    assert "the longest recording of test has 50 frames, and a window of this lifter 60" in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_not_replaced_by_something_slower() -> None:
    assert "--accelerator gpu: there is none" in refused("evaluate", "mixste.safetensors", *ON, "--accelerator", "gpu")
