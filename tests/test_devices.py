"""One training on several devices: the numbers of one device, and an end that is told when a rank ends."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ablate.errors import AblateError, TrainingDiverged
from ablate.sections import TrainConfig
from ablate.train import Checkpoint, Epoch, Fitted, fit
from models.d3dp import Lifter
from tests.conftest import ROOT
from tests.test_resume import ELASTIC, PRUNED, SHORT, equal, motion

# 9 windows in batches of 4: the last one has a window for one rank only.
UNEVEN: dict[str, Any] = {"windows": 9, "batch": 4, "epochs": 3}


def falling() -> Callable[[Any], float]:
    rest = iter(range(1000, 0, -1))
    return lambda _: float(next(rest))


def train(config: TrainConfig, lifter: type[Lifter] = Lifter, **more: Any) -> Fitted:
    torch.manual_seed(0)
    return fit(lifter(PRUNED), motion(), config=config, seed=3, **{"validate": falling(), **more})


def known(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """``state`` without the biases of keys: attention does not feel them, so their gradient is rounding alone, and
    AdamW makes whole steps of it."""
    width, known = PRUNED.width, dict(state)
    for name, value in state.items():
        if name.endswith("qkv.bias"):
            known[name] = torch.cat([value[:width], value[2 * width :]])
    return {name: value for name, value in known.items() if not name.endswith("k.bias")}


def assert_close(one: Fitted, other: Fitted) -> None:
    """To the rounding of sums in another order, which AdamW's first steps make larger where a gradient is small."""
    for name, value in known(one.state).items():
        tolerance = 5e-5 * float(value.abs().max())
        torch.testing.assert_close(known(other.state)[name], value, rtol=0, atol=tolerance, msg=name)
    assert other.curves["train_loss_mm"] == pytest.approx(one.curves["train_loss_mm"], rel=1e-6)


@pytest.mark.parametrize(
    ("config", "devices"),
    [
        pytest.param(SHORT, 2, marks=pytest.mark.slow, id="each, 2"),
        pytest.param(SHORT, 3, marks=pytest.mark.slow, id="each, 3"),
        pytest.param(replace(ELASTIC, ema=0.8), 2, id="elastic, 2"),
        pytest.param(replace(ELASTIC, ema=0.8), 3, marks=pytest.mark.slow, id="elastic, 3"),
    ],
)
def test_several_devices_give_the_weights_of_one(config: TrainConfig, devices: int) -> None:
    config = replace(config, **UNEVEN)
    heard: list[int] = []
    one = train(config)
    several = train(replace(config, devices=devices), on_epoch=lambda epoch: heard.append(epoch.number))
    assert_close(one, several)
    assert heard == [1, 2, 3]
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_a_training_on_two_devices_goes_on_with_its_bits() -> None:
    config = replace(ELASTIC, **UNEVEN, devices=2, ema=0.8)
    kept: list[Checkpoint] = []
    whole = train(config, on_checkpoint=kept.append)
    rest = iter((998.0, 997.0))
    resumed = train(config, checkpoint=kept[0], validate=lambda _: next(rest))
    assert equal(resumed.state, whole.state)
    assert resumed.curves["train_loss_mm"] == whole.curves["train_loss_mm"]


@pytest.mark.slow
def test_a_loss_that_stops_being_finite_ends_every_rank() -> None:
    config = replace(SHORT, devices=2, learning_rate=1e30, clip=None, schedule="exponential")
    with pytest.raises(TrainingDiverged, match="epoch 1, step 2: the loss is"):
        train(config)
    assert multiprocessing.active_children() == []


class Refusing(Lifter):
    """Works on all ranks but the last."""

    def loss(self, *args: Any, **kwargs: Any) -> Tensor:
        if torch.distributed.get_rank() == 2:
            raise AblateError("not on this one")
        return super().loss(*args, **kwargs)


@pytest.mark.slow
def test_what_ends_another_rank_is_told() -> None:
    with pytest.raises(AblateError, match="not on this one") as told:
        train(replace(SHORT, devices=3), Refusing)
    assert "In rank 2:" in told.value.__notes__[0]
    assert multiprocessing.active_children() == []


class Bulky(Lifter):
    """Does not survive the way to another process."""

    def __setstate__(self, state: Any) -> None:
        raise AblateError("can't be unpacked")


@pytest.mark.slow
def test_a_rank_that_cannot_start_is_told() -> None:
    with pytest.raises(AblateError, match="can't be unpacked"):
        train(replace(SHORT, devices=2), Bulky)
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_a_rank_that_is_killed_ends_the_training() -> None:
    def kill(_: Epoch) -> None:
        (other,) = multiprocessing.active_children()
        assert other.pid is not None
        os.kill(other.pid, signal.SIGKILL)

    with pytest.raises(AblateError, match=r"rank 1 was ended from outside \(-9\)"):
        train(replace(SHORT, devices=2), on_epoch=kill)
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_what_a_callback_raises_ends_every_rank() -> None:
    def stop(_: Epoch) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(replace(SHORT, devices=2), on_epoch=stop)
    assert multiprocessing.active_children() == []


KILL = """
import os, signal, sys
sys.path.insert(0, {root!r})
from dataclasses import replace
from pathlib import Path
from tests import test_devices as devices

def kill(epoch):
    print("epoch", epoch.number, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    devices.train(replace(devices.SHORT, devices=2), on_epoch=kill)
"""


@pytest.mark.slow
def test_the_other_ranks_end_with_the_first_however_it_ends(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(KILL.format(root=str(ROOT)))
    # It returns when nobody holds the output any more: a rank that stayed behind would.
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "epoch 1\n"), done.stderr
