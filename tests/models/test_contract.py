"""What every host must do, plain and with each kind of pruning on it, at size tiny."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import models
from models.contract import Lifter
from models.mixste import MixSTE
from models.pruning.config import MGPTP, SFT, TCEP, Pruning, Recovery
from models.pruning.elastic import Elastic
from tests.models.combinations import COMBINATIONS, called, several
from tests.models.motion import poses, windows

FRAMES = models.SIZES["tiny"]["frames"]


@pytest.fixture(params=COMBINATIONS, ids=called)
def lifter(request: pytest.FixtureRequest) -> Lifter:
    name, host = request.param
    return models.build(name, size="tiny", host=host, seed=0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_lift_is_finite_and_shaped(lifter: Lifter) -> None:
    hypotheses, steps = several(lifter.config, 3), several(lifter.config, 2)
    out = lifter.lift(windows(2, FRAMES), hypotheses=hypotheses, steps=steps)
    assert out.shape == (2, steps, hypotheses, FRAMES, 17, 3)
    assert out.isfinite().all()


def test_gradient_reaches_every_parameter(lifter: Lifter) -> None:
    torch.autograd.backward(lifter.loss(windows(2, FRAMES), poses(2, FRAMES), generator=generator()))
    learning = [(name, p) for name, p in lifter.named_parameters() if p.requires_grad]
    dead = [name for name, p in learning if p.grad is None or not p.grad.abs().sum() > 0]
    assert not dead


def test_gradient_reaches_learned_recovery() -> None:
    pruning = Pruning(tcep=TCEP(), recovery=Recovery(kind="cross_attention"))
    test_gradient_reaches_every_parameter(models.build("d3dp", size="tiny", seed=0, pruning=pruning))


def test_same_seed_same_output(lifter: Lifter) -> None:
    x2d, count = windows(2, FRAMES), several(lifter.config, 2)
    first, second = (lifter.lift(x2d, hypotheses=count, steps=count, noise=generator(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(lifter.lift(x2d), lifter.lift(x2d))
    other = torch.equal(lifter.lift(x2d, noise=generator(3)), lifter.lift(x2d, noise=generator(4)))
    assert other == (not lifter.channels)


def test_first_hypotheses_of_many_are_those_of_few(lifter: Lifter) -> None:
    x2d = windows(1, FRAMES)
    if not lifter.channels:
        for hypotheses, steps in ((2, 1), (1, 2)):
            with pytest.raises(ValueError, match="has one hypothesis and one step"):
                lifter.lift(x2d, hypotheses=hypotheses, steps=steps)
        return
    many, few = (lifter.lift(x2d, hypotheses=h, steps=2, noise=generator(3)) for h in (3, 2))
    assert torch.equal(many[:, :, :2], few)


def test_training_draws_come_from_the_generator_alone(lifter: Lifter) -> None:
    x2d, x3d = windows(2, FRAMES), poses(2, FRAMES)
    lifter.train()
    first = lifter.loss(x2d, x3d, generator=generator(5))
    torch.rand(7)  # torch's own state has moved on
    second = lifter.loss(x2d, x3d, generator=generator(5))
    assert first.item() == second.item()
    assert lifter.loss(x2d, x3d, generator=generator(6)).item() != first.item()
    assert lifter.eval().loss(x2d, x3d, generator=generator(5)).item() != first.item()  # stochastic depth is off


def test_rows_of_a_batch_have_the_draws_of_the_whole(lifter: Lifter) -> None:
    x2d, x3d = windows(3, FRAMES), poses(3, FRAMES)
    lifter.train(not lifter.config.whole_batch)
    whole = lifter.loss(x2d, x3d, generator=generator(5))
    first, last = (lifter.loss(x2d, x3d, generator=generator(5), rows=rows) for rows in (slice(0, 2), slice(2, 3)))
    torch.testing.assert_close((2 * first + last) / 3, whole)


def test_stochastic_depth_keeps_the_mean_and_spares_the_first_pair() -> None:
    denoiser = MixSTE(models.config("d3dp", size="tiny", drop_path=0.5))
    keep_LBS = denoiser.drop_path(200, generator())
    assert keep_LBS is not None
    assert (keep_LBS[:4] == 1).all()
    assert set(keep_LBS[4:].flatten().tolist()) == {0.0, 2.0}
    assert keep_LBS[4:].mean().item() == pytest.approx(1, abs=0.05)
    assert MixSTE(models.config("d3dp", size="tiny", drop_path=0.0)).drop_path(2, generator()) is None


def test_state_round_trip(lifter: Lifter, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(models.serialised(lifter))
    assert path.read_bytes() == models.serialised(lifter)
    again = models.load(path)
    assert again.config == lifter.config
    assert torch.equal(again.lift(windows(1, FRAMES)), lifter.lift(windows(1, FRAMES)))


def test_round_trip_of_every_part(tmp_path: Path) -> None:
    made = models.config("htp_fast", size="tiny")
    assert made.pruning is not None
    pruning = dataclasses.replace(made.pruning, sft=SFT(focus=3), recovery=Recovery(kind="cross_attention"))
    lifter = models.build("d3dp", size="tiny", pruning=pruning)
    path = tmp_path / "w.safetensors"
    path.write_bytes(models.serialised(lifter))
    assert models.load(path).config == lifter.config


def test_load_refuses_what_it_did_not_write(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(OSError, match="safetensors"):
        models.load(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="not of a lifter"):
        models.load(path)
    content = models.serialised(models.build("htp", size="tiny"))
    path.write_bytes(content[:-10])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        models.load(path)
    path.write_bytes(content.replace(b'\\"width\\": 32', b'\\"width\\": 64'))
    with pytest.raises(ValueError, match="don't fit"):
        models.load(path)


def test_seed_leaves_the_callers_random_state() -> None:
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    models.build("d3dp", size="tiny", seed=0)
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("htp_fats",), "did you mean 'htp_fast'"),
        (("d3dp", "tinny"), "did you mean 'tiny'"),
    ],
)
def test_unknown_names(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.build(*arguments)


def test_presets_stand_on_any_host_and_hosts_on_none() -> None:
    on = models.config("htp", size="tiny", host="mixste")
    assert type(on) is type(models.config("mixste"))
    assert on.pruning == models.config("htp", size="tiny").pruning
    assert models.config("d3dp", host="d3dp") == models.config("d3dp")
    assert models.config("hot", host="mixste") == models.config("hot")
    with pytest.raises(ValueError, match="d3dp is a host itself, so it can't stand on mixste"):
        models.config("d3dp", host="mixste")
    with pytest.raises(ValueError, match="unknown host 'htp_fast'"):
        models.config("htp", host="htp_fast")


def test_unknown_field_and_bad_values() -> None:
    with pytest.raises(ValueError, match="did you mean 'frames'"):
        models.config("d3dp", frame=9)
    with pytest.raises(ValueError, match="unknown field 'channels'"):  # what a host is, is no setting
        models.config("d3dp", channels=4)
    with pytest.raises(ValueError, match="heads: must divide"):
        models.config("d3dp", size="tiny", heads=5)
    with pytest.raises(ValueError, match=r"pruning\.tcep\.keep_ratio"):
        models.config("d3dp", pruning=Pruning(tcep=TCEP(keep_ratio=0.0)))
    with pytest.raises(ValueError, match="loss: mixste looks at how poses move"):
        models.config("mixste", frames=1, loss="mixste")
    by_tokens = Pruning(tcep=TCEP(policy="dpc_knn"), mgptp=MGPTP())
    with pytest.raises(ValueError, match=r"mgptp\.source: dpc_knn chooses by each pass's tokens"):
        models.config("d3dp", pruning=by_tokens)


def test_misfits_are_named(lifter: Lifter) -> None:
    x2d, hypotheses = windows(1, FRAMES), several(lifter.config, 2)
    with pytest.raises(ValueError, match=r"2D windows must be \(B, 27, 17, 2\)"):
        lifter.lift(windows(1, FRAMES - 1))
    with pytest.raises(ValueError, match="noise must be"):
        lifter.lift(x2d, hypotheses=hypotheses, noise=torch.zeros(1, 1, hypotheses, FRAMES, 17, lifter.channels + 1))
    with pytest.raises(ValueError, match=r"tcep\.keep_frames"):
        lifter.select(x2d, Pruning(tcep=TCEP(keep_ratio=None, keep_frames=40)))
    with pytest.raises(ValueError, match="no weights for the places of 14 frames"):
        lifter.select(x2d, Pruning(tcep=TCEP(embed_places=True)))
    if lifter.denoiser.recover is None:
        with pytest.raises(ValueError, match="no weights for cross_attention"):
            lifter.select(x2d, Pruning(tcep=TCEP(), recovery=Recovery(kind="cross_attention")))


def test_elastic_draws_train_every_name(lifter: Lifter) -> None:
    rng = np.random.default_rng(0)
    if lifter.denoiser.place_embedding is not None:
        with pytest.raises(ValueError, match="learned for one count"):
            lifter.elastic(Elastic(), rng)
        return
    for _ in range(4):
        pruning = lifter.elastic(Elastic(), rng)
        loss = lifter.loss(windows(2, FRAMES), poses(2, FRAMES), generator=generator(), pruning=pruning)
        assert loss.isfinite()


@pytest.mark.parametrize("field", [{"input": "root_relative"}, {"init": "warm"}, {"scale": 2.0}, {"frames": 9}])
def test_options_change_the_output(field: dict[str, Any]) -> None:
    plain = models.build("d3dp", size="tiny", seed=0)
    changed = models.build("d3dp", size="tiny", seed=0, **field)
    frames = changed.config.frames
    out = changed.lift(windows(1, frames), steps=2)
    assert out.isfinite().all()
    assert frames != FRAMES or not torch.equal(out, plain.lift(windows(1, frames), steps=2))


def test_half_precision_trains_and_stays_close(lifter: Lifter) -> None:
    x2d, x3d = windows(2, FRAMES), poses(2, FRAMES)
    full = lifter.eval().loss(x2d, x3d, generator=generator())
    with torch.autocast("cpu", torch.bfloat16):
        half = lifter.loss(x2d, x3d, generator=generator())
    torch.autograd.backward(half)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in lifter.parameters() if p.requires_grad)
    assert half.item() == pytest.approx(full.item(), rel=0.02)
