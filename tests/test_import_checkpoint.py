"""A checkpoint in a reference program's layout gives the poses of that program, whichever way it was saved."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import models
from models.contract import Lifter
from tests.checkpoints import ablate_, in_training, refused
from tests.reference import Numbers

HOT = ("--set", "model.pruning.tcep.before_pair=2")  # the fixture's own, which its weights can't tell
State = dict[str, Tensor]


def save_plain(state: State, path: Path) -> None:
    torch.save(state, path)


def save_parallel(state: State, path: Path) -> None:
    torch.save({f"module.{key}": tensor for key, tensor in state.items()}, path)


def save_in_training(state: State, path: Path) -> None:
    torch.save(in_training({f"module.{key}": tensor for key, tensor in state.items()}), path)


def save_under_model(state: State, path: Path) -> None:
    torch.save({"model": state, "epoch": 1}, path)


def save_legacy(state: State, path: Path) -> None:
    torch.save(in_training(state), path, _use_new_zipfile_serialization=False)


def save_as_safetensors(state: State, path: Path) -> None:
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)


LAYOUTS = (save_plain, save_parallel, save_in_training, save_under_model, save_legacy, save_as_safetensors)


def of_d3dp(lifter: Lifter, numbers: Numbers) -> tuple[Tensor, Tensor, float]:
    poses = lifter.lift(numbers["sample/inputs_2d"], hypotheses=3, steps=4, noise=numbers["sample/draws"])
    return poses, numbers["sample_flip/x0"], 1e-4


def of_ddhpose(lifter: Lifter, numbers: Numbers) -> tuple[Tensor, Tensor, float]:
    bones = torch.cat([numbers["test/x_dir"], numbers["test/x_bone"]], dim=-1)
    return lifter.denoise(numbers["test/x_2d"], bones, numbers["test/t"]), numbers["test/out"], 3e-5


def one_pass(key: str) -> Callable[[Lifter, Numbers], tuple[Tensor, Tensor, float]]:
    return lambda lifter, numbers: (lifter.lift(numbers["x_2d"], flip=False)[:, 0, 0], numbers[key], 3e-5)


# model: its fixture, settings, what it gives beside what it should give, and the sizes that the weights tell
REFERENCES: dict[str, tuple[str, tuple[str, ...], Any, dict[str, float]]] = {
    "mixste": ("mixste", (), one_pass("out"), {"depth": 2}),
    "d3dp": ("d3dp", (), of_d3dp, {"depth": 2, "timesteps": 1000}),
    "ddhpose": ("ddhpose", (), of_ddhpose, {"depth": 3, "timesteps": 1000}),
    "ktpformer": ("ktpformer", (), one_pass("out"), {"depth": 3}),
    "hot": ("hot_mixste", HOT, one_pass("zero/out"), {"depth": 8, "pruning.tcep.keep_frames": 4}),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(name: str, change: Callable[[State], Any] = lambda state: state) -> str:
    torch.save(change(Numbers(name).state()), "c.bin")
    return "c.bin"


@torch.no_grad()
@pytest.mark.parametrize("save", LAYOUTS, ids=lambda save: save.__name__)
@pytest.mark.parametrize("model", REFERENCES)
def test_the_poses_are_those_of_the_reference(model: str, save: Callable[[State, Path], None], folder: Path) -> None:
    fixture, settings, lift, told = REFERENCES[model]
    numbers = Numbers(fixture)
    save(numbers.state(), folder / "c.bin")
    done = ablate_("import-checkpoint", "c.bin", "--model", model, "--out", "w.safetensors", "--json", *settings)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["read"] == {"frames": 9, "width": 32, "mlp_ratio": 2, **told}
    beside = {"epoch", "lr", "random_state", "optimizer"} & found["left_out"].keys()
    assert len(beside) == {"save_in_training": 4, "save_legacy": 4, "save_under_model": 1}.get(save.__name__, 0)
    assert found["keys_used"] + len(found["left_out"]) - len(beside) == len(numbers.state())
    lifter = models.load("w.safetensors").eval()
    assert models.host_of(lifter.config) == found["host"] == ("mixste" if model == "hot" else model)
    got, wanted, tolerance = lift(lifter, numbers)
    assert got.shape == wanted.shape
    assert (got.double() - wanted.double()).abs().max() < tolerance


def test_what_was_read_set_assumed_and_left_out_is_told(folder: Path) -> None:
    saved("d3dp", in_training)
    arguments = ("import-checkpoint", "c.bin", "--model", "d3dp", "--set", "model.heads=4", "--out")
    told = ablate_(*arguments, "w.safetensors").stdout
    for text in ("frames", "the weights", "heads", "--set", "scale", "as published"):
        assert text in told
    assert "left out: epoch, lr, random_state, optimizer: beside model_pos" in told
    assert "posterior_mean_coef2: the noise schedule" in told
    assert "64 keys used" in told
    found = json.loads(ablate_(*arguments, "again.safetensors", "--json").stdout)
    assert (found["set"], found["assumed"], found["layout"]) == ({"heads": 4}, {"scale": 1.0}, "model_pos")
    assert models.load("again.safetensors").config.heads == 4
    assert (folder / "again.safetensors").read_bytes() == (folder / "w.safetensors").read_bytes()


def test_a_file_that_is_there_is_replaced_only_on_demand(folder: Path) -> None:
    arguments = ("import-checkpoint", saved("mixste"), "--model", "mixste", "--out")
    (folder / "w.safetensors").write_text("mine")
    assert "is there already; name another file, or add --force" in refused(*arguments, "w.safetensors")
    assert (folder / "w.safetensors").read_text() == "mine"
    before = (folder / "c.bin").read_bytes()
    assert "is the checkpoint itself; name another file" in refused(*arguments, "c.bin", "--force")
    assert (folder / "c.bin").read_bytes() == before
    missing = ("import-checkpoint", "nowhere.bin", "--model", "mixste", "--out", "w.safetensors", "--force")
    assert "nowhere.bin: can't be read" in refused(*missing)
    assert (folder / "w.safetensors").read_text() == "mine"
    assert "can't be written" in refused(*arguments, "c.bin/inside.safetensors")
    assert ablate_(*arguments, "w.safetensors", "--force").exit_code == 0
    assert models.load("w.safetensors").config.frames == 9


def without(state: State, *keys: str) -> State:
    return {key: tensor for key, tensor in state.items() if key not in keys}


def linear_schedule(state: State) -> State:
    return {**state, "betas": torch.linspace(1e-4, 2e-2, 1000, dtype=torch.float64)}


@pytest.mark.parametrize(
    ("model", "fixture", "change", "told"),
    [
        (
            "d3dp",
            "d3dp",
            lambda s: {**s, "pose_estimator.more": torch.zeros(1)},
            "not keys of d3dp: pose_estimator.more",
        ),
        ("mixste", "hot_mixste", dict, "pos_embed_token, x_token, cross_attention"),
        ("mixste", "hot_mixste", dict, "as --model hot all are known"),
        ("hot", "mixste", dict, "missing (by this zoo's names): denoiser.place_embedding"),
        ("mixste", "mixste", lambda s: without(s, "STEblocks.1.norm1.bias"), "denoiser.spatial.1.norm1.bias"),
        ("mixste", "mixste", lambda s: without(s, "Temporal_pos_embed"), "gives mixste its sizes is missing"),
        ("mixste", "mixste", lambda s: s | {"Temporal_pos_embed": torch.zeros(2, 9, 32)}, "missing or misshapen"),
        ("mixste", "mixste", lambda s: s | {"head.1.bias": torch.zeros(4)}, "head.1.bias (4,) instead of (3,)"),
        ("mixste", "mixste", lambda s: s | {"head.1.bias": torch.tensor(1.0)}, "head.1.bias () instead of (3,)"),
        (
            "mixste",
            "mixste",
            lambda s: s | {"STEblocks.7.norm1.bias": torch.zeros(32)},
            "of no layer: STEblocks.7.norm1.bias",
        ),
        ("mixste", "mixste", lambda s: s | {"module.head.1.bias": torch.zeros(3)}, "with and without module."),
        (
            "mixste",
            "mixste",
            lambda s: s | {"head.1.bias": torch.zeros(1).expand(10**12)},
            "more numbers than the file",
        ),
        ("mixste", "mixste", lambda s: s | {"epoch": 3}, "epoch: no plain tensors"),
        (
            "mixste",
            "mixste",
            lambda s: s | {"head.1.bias": torch.zeros(3).to_sparse()},
            "head.1.bias: no plain tensors",
        ),
        ("mixste", "mixste", lambda s: {"state_dict": s}, "state_dict: no plain tensors; a state dict is looked for"),
        ("mixste", "mixste", lambda s: {}, "holds no tensor"),
        ("mixste", "mixste", lambda s: [*s.values()], "holds a list, and a checkpoint is a dict"),
        ("d3dp", "d3dp", linear_schedule, "not those of the cosine schedule"),
        ("ktpformer", "ktpformer", lambda s: s | {"kpattention.attn.kpa.gconv.bias": torch.zeros(7)}, "misshapen"),
        ("d3pd", "d3dp", dict, "did you mean 'd3dp'?"),
    ],
)
def test_what_does_not_fit_is_named(model: str, fixture: str, change: Any, told: str, folder: Path) -> None:
    text = refused("import-checkpoint", saved(fixture, change), "--model", model, "--out", "w.safetensors")
    assert told in " ".join(text.split())
    assert [path.name for path in folder.iterdir()] == ["c.bin"]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("model.heads=5", "--set model.heads: model.heads: must divide the width 32, got 5"),
        ("model.width=64", "--set model.width=64: the file has 32"),
        ("model.pruning.tcep.before_pair=8", "must lie in 0..7"),
        ("model.pruning.tcep.keep_ratio=0.2", "pos_embed_token (4, 32) instead of (2, 32)"),
        ("model.hedas=4", "unknown key 'hedas'; did you mean 'heads'?"),
        ("train.epochs=4", "those of this command start with model."),
        ("model=4", "those of this command start with model."),
        ("heads", "write it as path=value"),
    ],
)
def test_settings_are_checked_against_the_weights(setting: str, told: str, folder: Path) -> None:
    arguments = ("--model", "hot", "--out", "w.safetensors", "--set", setting)
    assert told in refused("import-checkpoint", saved("hot_mixste"), *arguments)
    assert not (folder / "w.safetensors").exists()


def test_half_precision_weights_become_single(folder: Path) -> None:
    saved("mixste", lambda state: {key: tensor.half() for key, tensor in state.items()})
    assert ablate_("import-checkpoint", "c.bin", "--model", "mixste", "--out", "w.safetensors").exit_code == 0
    lifter = models.load("w.safetensors")
    assert {weight.dtype for weight in lifter.parameters()} == {torch.float32}
    np.testing.assert_allclose(lifter.denoiser.head.bias.detach(), Numbers("mixste")["state/head.1.bias"], atol=1e-3)
