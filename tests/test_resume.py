"""A training that is killed, wherever, and gone on with ends as one that was never stopped: the same bits."""

import math
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ablate.data.windows import Windows
from ablate.errors import InputError
from ablate.sections import TrainConfig
from ablate.store import Store
from ablate.train import Checkpoint, Epoch, Fitted, fit
from models.config import D3DP
from models.d3dp import Lifter
from models.pruning.config import MGPTP, SFT, TCEP, Pruning, Recovery
from models.pruning.elastic import Elastic
from tests.conftest import ROOT
from tests.motion import recording, windows

FRAMES = 9
EPOCHS, STEPS = 5, 2
# Dense steps leave the recovery's weights without a gradient, so AdamW counts their steps apart.
PRUNED = D3DP(
    frames=FRAMES,
    width=16,
    depth=2,
    heads=2,
    drop_path=0.2,
    pruning=Pruning(tcep=TCEP(), sft=SFT(), mgptp=MGPTP(before_pair=1), recovery=Recovery(kind="cross_attention")),
)
SHORT = TrainConfig(epochs=EPOCHS, batch=4, windows=4 * STEPS, accelerator="cpu", learning_rate=3e-3)
ELASTIC = replace(SHORT, mode="elastic", elastic=Elastic(dense_share=0.5))
CONFIGS = {
    "each, cosine": SHORT,
    "each, exponential, averaged": replace(SHORT, schedule="exponential", decay=0.5, ema=0.8),
    "elastic, cosine, averaged, every 2nd": replace(ELASTIC, ema=0.8, validate_every=2),
    "elastic, exponential, every 3rd, bfloat16": replace(
        ELASTIC, schedule="exponential", decay=0.5, validate_every=3, precision="bf16-mixed"
    ),
}


class Killed(BaseException):
    """Stands for a signal: nothing in the program catches it."""


class Mortal(Lifter):
    """A lifter that may die in one of its steps, counted from 1 in each life."""

    dies_in = 0

    def loss(self, *args: Any, **kwargs: Any) -> Tensor:
        self.dies_in -= 1
        if self.dies_in == 0:
            raise Killed
        return super().loss(*args, **kwargs)


def build(config: D3DP = PRUNED) -> Mortal:
    torch.manual_seed(0)
    return Mortal(config)


def motion() -> Windows:
    return windows(FRAMES, recording("Walking 1", "Walking", 40, seed=1), recording("Waving 1", "Waving", 31, seed=2))


def judge(lifter: Lifter) -> float:
    """A number of which every bit of every weight decides, so that the best epoch may be any of them."""
    return 10 + math.sin(1e5 * sum(float(value.double().sum()) for value in lifter.state_dict().values()))


def undisturbed(config: TrainConfig, **more: Any) -> Fitted:
    return fit(build(), motion(), config=config, seed=3, validate=judge, **more)


def live(store: Store, config: TrainConfig, lifter: Mortal | None = None, **instead: Any) -> Fitted:
    """One life of a training: goes on from what the store holds, and stores every epoch."""
    own: dict[str, Any] = {
        "validate": judge,
        "on_checkpoint": lambda checkpoint: store.save_checkpoint("key", checkpoint),
    }
    lifter, checkpoint = lifter or build(), store.load_checkpoint("key")
    return fit(lifter, motion(), config=config, seed=3, checkpoint=checkpoint, **{**own, **instead})


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def assert_same(one: Fitted, other: Fitted) -> None:
    assert equal(one.state, other.state)
    assert one.best_epoch == other.best_epoch
    names = one.curves.keys() - {"windows_per_s"}
    assert {name: one.curves[name] for name in names} == {name: other.curves[name] for name in names}
    assert one.curves.keys() == other.curves.keys()
    assert len(one.curves["windows_per_s"]) == len(other.curves["windows_per_s"])


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(tmp_path / "store" if request.param == "folder" else f"memory://{tmp_path.name}")


@pytest.fixture(scope="module", params=CONFIGS)
def whole(request: pytest.FixtureRequest) -> tuple[TrainConfig, Fitted]:
    config = CONFIGS[request.param]
    return config, undisturbed(config)


def test_killed_in_a_step_of_every_epoch(whole: tuple[TrainConfig, Fitted], store: Store) -> None:
    config, expected = whole
    for epoch in range(1, EPOCHS):
        lifter = build()
        lifter.dies_in = STEPS + 1 + epoch % STEPS  # one epoch is done, and none or some of the next
        with pytest.raises(Killed):
            live(store, config, lifter)
        found = store.load_checkpoint("key")
        assert found is not None
        assert found.epoch == epoch
    assert_same(live(store, config), expected)


@pytest.mark.parametrize("place", ["validate", "on_checkpoint", "on_epoch"])
def test_killed_when_an_epoch_ends(whole: tuple[TrainConfig, Fitted], tmp_path: Path, place: str) -> None:
    (config, expected), store, calls = whole, Store(tmp_path), []

    def die(handed: Any) -> float:
        calls.append(place)
        if len(calls) == 2:
            raise Killed
        return judge(handed) if place == "validate" else 0.0

    with pytest.raises(Killed):
        live(store, config, build(), **{place: die})
    found = store.load_checkpoint("key")
    done = {"validate": 2 * config.validate_every - 1, "on_checkpoint": 0, "on_epoch": 2}[place]
    assert (0 if found is None else found.epoch) == min(done, EPOCHS - 1)
    assert_same(live(store, config), expected)


def test_the_best_epoch_may_lie_before_the_kill() -> None:
    assert any(undisturbed(config).best_epoch < EPOCHS for config in CONFIGS.values())


KILL = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from ablate.store import Store
from tests import test_resume as resume

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def watch(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("key.safetensors"):
        renames.append(event)
        if len(renames) == 3:
            kill()

renames = []
class Killed(resume.Mortal):
    steps = 0
    def loss(self, *args, **kwargs):
        self.steps += 1
        if self.steps == 6 and {place!r} == "step":
            kill()
        return super().loss(*args, **kwargs)

if {place!r} == "write":
    sys.addaudithook(watch)
resume.torch.manual_seed(0)
resume.live(Store({store!r}), resume.CONFIGS[{name!r}], Killed(resume.PRUNED))
"""


@pytest.mark.parametrize("place", ["step", "write"])
def test_kill_9(place: str, tmp_path: Path) -> None:
    """In the last step of the third epoch, and before the third checkpoint gets its name."""
    name = "elastic, cosine, averaged, every 2nd"
    script = KILL.format(root=str(ROOT), place=place, store=str(tmp_path), name=name)
    died = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    store = Store(tmp_path)
    found = store.load_checkpoint("key")
    assert found is not None
    assert found.epoch == 2
    assert [item.key for item in store.items()] == (["key"] if place == "step" else [None, "key"])
    assert_same(live(store, CONFIGS[name]), undisturbed(CONFIGS[name]))


def test_keeping_checkpoints_changes_nothing_and_they_do_not_change(tmp_path: Path) -> None:
    config = CONFIGS["elastic, cosine, averaged, every 2nd"]
    kept: list[Checkpoint] = []
    store = Store(tmp_path)

    def keep(checkpoint: Checkpoint) -> None:
        store.save_checkpoint(str(checkpoint.epoch), checkpoint)
        kept.append(checkpoint)

    expected = undisturbed(config)
    assert_same(undisturbed(config, on_checkpoint=keep), expected)
    assert [checkpoint.epoch for checkpoint in kept] == [1, 2, 3, 4, 5]
    for checkpoint in kept:
        assert_same(undisturbed(config, checkpoint=checkpoint), expected)
        stored = store.load_checkpoint(str(checkpoint.epoch))
        assert stored is not None
        assert equal(dict(stored.tensors), dict(checkpoint.tensors))
        assert replace(stored, tensors={}) == replace(checkpoint, tensors={})


def test_an_epoch_is_kept_before_it_is_told() -> None:
    heard: list[int] = []

    def keep(checkpoint: Checkpoint) -> None:
        heard.append(-checkpoint.epoch)

    def tell(epoch: Epoch) -> None:
        heard.append(epoch.number)

    undisturbed(replace(SHORT, epochs=2), on_checkpoint=keep, on_epoch=tell)
    assert heard == [-1, 1, -2, 2]


def test_only_the_epochs_that_are_left_are_told_and_all_seconds_count() -> None:
    kept: list[Checkpoint] = []
    heard: list[Epoch] = []
    undisturbed(SHORT, on_checkpoint=kept.append)
    early = replace(kept[2], seconds=1e6)
    fitted = undisturbed(SHORT, checkpoint=early, on_epoch=heard.append, on_checkpoint=kept.append)
    assert [epoch.number for epoch in heard] == [4, 5]
    assert fitted.seconds > 1e6
    assert kept[-1].seconds > 1e6
    assert len(fitted.curves["windows_per_s"]) == EPOCHS


@pytest.mark.parametrize(
    ("model", "config", "change", "message"),
    [
        (replace(PRUNED, width=32), SHORT, {}, r"best/denoiser\.embed\.bias, .* and \d+ more"),
        (replace(PRUNED, pruning=None), SHORT, {}, r"best/denoiser\.recover"),
        (PRUNED, replace(SHORT, ema=0.9), {}, r"average/"),
        (PRUNED, replace(SHORT, epochs=1), {}, "2 epochs of 1"),
        (PRUNED, SHORT, {"scaler": {"scale": 2.0}}, r"another train\.precision"),
        (PRUNED, SHORT, {"tensors": {}}, "best/"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    model: D3DP, config: TrainConfig, change: dict[str, Any], message: str
) -> None:
    kept: list[Checkpoint] = []
    undisturbed(replace(SHORT, epochs=2), on_checkpoint=kept.append)
    lifter = build(model)
    before = {name: value.clone() for name, value in lifter.state_dict().items()}
    with pytest.raises(InputError, match=f"the checkpoint is of another training.*{message}.*remove it"):
        fit(lifter, motion(), config=config, seed=3, validate=judge, checkpoint=replace(kept[-1], **change))
    assert equal(before, lifter.state_dict())
