"""What batch norm learns beside weights: it is kept, averaged, gone on with and stored as weights are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import models
from ablate.schema import resolve, semantic_problems
from ablate.sections import TrainConfig
from ablate.store import Store
from ablate.train import Checkpoint, Epoch, Fitted, fit
from models.config import Host, KTPFormer, KTPFormerDiffusion
from tests.test_resume import FRAMES, SHORT, Killed, assert_same, equal, judge, motion

SMALL: dict[str, Any] = {"frames": FRAMES, "width": 16, "depth": 2, "heads": 2, "drop_path": 0.2}
HOSTS = {"ktpformer": KTPFormer(**SMALL), "ktpformer_diffusion": KTPFormerDiffusion(**SMALL)}
AVERAGED = replace(SHORT, ema=0.8)


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> Host:
    return HOSTS[request.param]


def train(host: Host, config: TrainConfig, **more: Any) -> Fitted:
    return fit(models.build(host, seed=0), motion(), config=config, seed=3, **{"validate": judge, **more})


def statistics(state: dict[str, Tensor], prefix: str = "denoiser.") -> dict[str, Tensor]:
    """Without the prefix: the running means and variances."""
    found = {name: value for name, value in state.items() if name.endswith(("mean_C", "variance_C"))}
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def falling() -> Callable[[Any], float]:
    rest = iter(range(1000, 0, -1))
    return lambda _: float(next(rest))


@pytest.mark.parametrize("config", [SHORT, AVERAGED], ids=["plain", "averaged"])
def test_a_training_goes_on_with_its_statistics(host: Host, config: TrainConfig, tmp_path: Path) -> None:
    store = Store(tmp_path)

    def die(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise Killed

    whole = train(host, config)
    keep = {"on_checkpoint": lambda checkpoint: store.save_checkpoint("key", checkpoint)}
    with pytest.raises(Killed):
        train(host, config, **keep, on_epoch=die)
    # of every bit of the state, statistics included, the judge decides
    assert_same(train(host, config, checkpoint=store.load_checkpoint("key")), whole)


def test_the_average_has_the_statistics_of_the_weights_it_follows(host: Host) -> None:
    kept: list[Checkpoint] = []
    fitted = train(host, AVERAGED, validate=falling(), on_checkpoint=kept.append)
    tensors = kept[-1].tensors
    live, average = (statistics(dict(tensors), prefix) for prefix in ("lifter/denoiser.", "average/module.denoiser."))
    fresh = statistics(models.build(host).state_dict())
    assert equal(live, average)
    assert equal(statistics(fitted.state), average)
    assert fresh.keys() == live.keys()
    assert not any(torch.equal(value, live[name]) for name, value in fresh.items())
    weight = "denoiser.embed.weight"
    assert not torch.equal(tensors[f"lifter/{weight}"], tensors[f"average/module.{weight}"])


def test_stored_weights_bring_their_statistics(host: Host, tmp_path: Path) -> None:
    lifter = models.build(host, seed=0)
    lifter.load_state_dict(train(host, replace(SHORT, epochs=1)).state)
    path = tmp_path / "w.safetensors"
    path.write_bytes(models.serialised(lifter))
    assert equal(models.load(path).state_dict(), lifter.state_dict())


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("setting", ["devices", "accumulate"])
def test_its_batches_stay_whole(name: str, setting: str) -> None:
    raw: dict[str, Any] = {"model": {"name": name, "size": "tiny"}, "train": {setting: 2}}
    ((path, text),) = semantic_problems(resolve(raw))
    assert path == ("train", setting)
    assert f"batch norm in {name} takes its statistics from a whole batch" in text
    assert not [*semantic_problems(resolve({**raw, "model": {"name": "d3dp", "size": "tiny"}}))]
