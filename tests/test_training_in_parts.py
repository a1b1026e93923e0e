"""What makes a training fast or small changes no weight beyond rounding: parts of batches, recomputed blocks, products
in place of a fused kernel, one look at many losses."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as nnf
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import models
from ablate.errors import TrainingDiverged
from ablate.sections import TrainConfig
from ablate.train import Fitted, fit
from ablate.train.devices import gather
from ablate.train.loop import LOOK
from ablate.train.state import Average, Setting, rows, start
from models.config import D3DP, Host
from models.d3dp import Lifter
from models.kernels import linear
from models.layers import Mlp, attend
from models.pruning.config import MGPTP, SFT, TCEP, Pruning, Recovery
from tests.models.combinations import COMBINATIONS, called
from tests.models.motion import poses, windows
from tests.motion import recording
from tests.motion import windows as filmed
from tests.test_devices import assert_close
from tests.test_resume import ELASTIC, PRUNED, SHORT, equal, motion

FRAMES = 9


def train(config: TrainConfig) -> Fitted:
    torch.manual_seed(0)
    rest = iter(range(1000, 0, -1))
    return fit(Lifter(PRUNED), motion(), config=config, seed=3, validate=lambda _: float(next(rest)))


def gradients(lifter: nn.Module, **options: Any) -> dict[str, Tensor]:
    x2d, x3d = windows(3, lifter.config.frames), poses(3, lifter.config.frames)  # type: ignore[arg-type, union-attr]
    lifter.zero_grad()
    loss = lifter.loss(x2d, x3d, generator=torch.Generator().manual_seed(5), **options)  # type: ignore[operator]
    loss.backward()
    return {name: weight.grad.clone() for name, weight in lifter.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("config", [SHORT, ELASTIC], ids=["each", "elastic"])
@pytest.mark.parametrize("parts", [2, 3, 4])
def test_a_batch_in_parts_gives_the_weights_of_the_whole(config: TrainConfig, parts: int) -> None:
    """9 windows in batches of 4: parts of unequal size, and a last batch smaller than their number."""
    config = replace(config, windows=9, epochs=2)
    assert_close(train(replace(config, accumulate=1)), train(replace(config, accumulate=parts)))


@pytest.mark.slow
def test_several_devices_share_batches_that_each_takes_in_parts() -> None:
    config = replace(ELASTIC, windows=9, epochs=2)
    assert_close(train(replace(config, accumulate=1)), train(replace(config, accumulate=4, devices=2)))


@pytest.mark.parametrize(
    ("model", "batch", "accumulate", "device", "expected"),
    [
        (models.config("d3dp", "base"), 16, None, "cpu", 1),
        (models.config("d3dp", "small"), 16, None, "cpu", 4),
        (models.config("d3dp", "small"), 18, None, "cpu", 5),
        (models.config("htp", "tiny"), 16, None, "cpu", 16),
        (models.config("d3dp", "base"), 16, None, "cuda", 16),
        (models.config("ktpformer", "base"), 16, None, "cpu", 16),
        (models.config("d3dp", "base"), 16, 1, "cpu", 16),
        (models.config("d3dp", "tiny"), 16, 5, "cuda", 4),
    ],
)
def test_how_many_windows_go_through_at_once(
    model: Host, batch: int, accumulate: int | None, device: str, expected: int
) -> None:
    assert rows(TrainConfig(batch=batch, accumulate=accumulate), model, torch.device(device)) == expected


@pytest.mark.parametrize("accumulate", [0, 5])
def test_as_many_parts_as_there_are_windows_at_most(accumulate: int) -> None:
    ((path, text),) = TrainConfig(batch=4, accumulate=accumulate).problems()
    assert path == ("accumulate",)
    assert text == f"must lie between 1 and train.batch, 4, got {accumulate}"


def recomputed() -> Iterator[Any]:
    for combination in COMBINATIONS:
        name, host = combination
        yield pytest.param(models.config(name, "tiny", host=host, frames=FRAMES), id=called(combination))
    focused = Pruning(
        tcep=TCEP(), sft=SFT(focus=4), mgptp=MGPTP(before_pair=1), recovery=Recovery(kind="cross_attention")
    )
    for pruning in (Pruning(tcep=TCEP()), focused, Pruning(tcep=TCEP(policy="merge"), sft=SFT())):
        yield pytest.param(models.config("d3dp", "tiny", frames=FRAMES, pruning=pruning))


@pytest.mark.parametrize("model", [*recomputed()])
def test_recomputed_blocks_give_the_very_gradients(model: Host) -> None:
    lifter = models.build(replace(model, drop_path=0.2), seed=0).train()
    calls: list[None] = []
    for module in lifter.modules():
        if isinstance(module, Mlp):
            module.register_forward_hook(lambda *_: calls.append(None))
    plain, once = gradients(lifter), len(calls)
    lifter.recompute()
    assert equal(gradients(lifter), plain)
    assert len(calls) == 3 * once  # in the first loss, and twice in the second
    lifter.recompute(False)
    gradients(lifter)
    assert len(calls) == 4 * once


def test_checkpointing_trains_to_the_same_bits() -> None:
    config = replace(ELASTIC, epochs=2, accumulate=2, ema=0.9)
    assert equal(train(replace(config, checkpointing=True)).state, train(config).state)


@pytest.mark.parametrize("kind", ["none", "who sees whom", "added"])
def test_products_stand_in_for_the_fused_kernel(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randn(2, 3, 7, 8, generator=generator) for _ in range(3)]
    masks = {
        "none": None,
        "who sees whom": (torch.rand(2, 1, 7, 7, generator=generator) < 0.5) | torch.eye(7, dtype=torch.bool),
        "added": torch.randn(2, 1, 7, 7, generator=generator),
    }
    half, full = ([x.to(dtype).requires_grad_() for x in draws] for dtype in (torch.bfloat16, torch.float32))
    out, expected = (attend(q, k, v, masks[kind]) for q, k, v in (half, full))
    assert "Attention" not in type(out.grad_fn).__name__
    assert "Attention" in type(expected.grad_fn).__name__
    torch.testing.assert_close(out.float(), expected, atol=0.05, rtol=0.05)
    out.float().square().sum().backward()  # type: ignore[no-untyped-call]
    expected.square().sum().backward()  # type: ignore[no-untyped-call]
    for own, other in zip(half, full, strict=True):
        assert own.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(own.grad.float(), other.grad, atol=0.15, rtol=0.1)


def test_a_wide_layer_learns_by_the_other_library_as_by_torchs_own() -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(n, generator=generator) for n in ((2, 3, 17, 256), (64, 256), (64,)))
    found = []
    for layer in (linear, nnf.linear):
        leaves = [tensor.clone().requires_grad_() for tensor in (x, weight, bias)]
        out = layer(*leaves)
        assert ("Learnt" in type(out.grad_fn).__name__) == (layer is linear)
        out.square().mean().backward()  # type: ignore[no-untyped-call]
        found.append([out, *(leaf.grad for leaf in leaves)])
    for own, expected in zip(*found, strict=True):
        torch.testing.assert_close(own, expected, atol=2e-5, rtol=1e-5)
    x_alone = torch.zeros(1, 256, requires_grad=False)
    y = linear(x_alone, weight.requires_grad_(), bias)  # an input that wants no gradient
    y.sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None


class Failing(Lifter):
    """Its loss is no number from its ``fails_in``th step on."""

    fails_in = LOOK + 2

    def loss(self, *args: Any, **kwargs: Any) -> Tensor:
        self.fails_in -= 1
        return super().loss(*args, **kwargs) * (math.nan if self.fails_in <= 0 else 1.0)


def test_the_first_loss_that_is_not_finite_is_named_though_it_is_looked_at_later() -> None:
    model = D3DP(frames=FRAMES, width=8, depth=1, heads=1)
    config = replace(SHORT, batch=1, windows=None, epochs=1, schedule="exponential")
    many = filmed(FRAMES, recording("Walking 1", "Walking", FRAMES * (LOOK + 6), seed=1), cameras=1)
    with pytest.raises(TrainingDiverged, match=f"epoch 1, step {LOOK + 2}: the loss is nan at learning rate 0.003;"):
        fit(Failing(model), many, config=config, seed=0, validate=lambda _: 1.0)


class Counted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)


def test_the_average_is_torchs_own() -> None:
    torch.manual_seed(0)
    module = Counted()
    of_torch, own = (make(module, multi_avg_fn=get_ema_multi_avg_fn(0.7)) for make in (AveragedModel, Average))  # type: ignore[no-untyped-call]
    for _ in range(4):
        with torch.no_grad():
            for weight in module.parameters():
                weight.add_(torch.randn_like(weight))
        module.norm(torch.randn(5, 4))
        of_torch.update_parameters(module)
        own.update_parameters(module)
        assert equal(own.state_dict(), of_torch.state_dict())


def test_one_kernel_updates_all_weights() -> None:
    with gather(SHORT, partial(print)) as team:
        setting = Setting(team=team, windows=motion(), config=SHORT, seed=0, rows=4)
        assert start(setting, Lifter(PRUNED)).optimiser.param_groups[0]["fused"]
