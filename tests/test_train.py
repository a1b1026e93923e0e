"""The training loop: the same seed gives the same bits, the best epoch is kept, and failures say what to do."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ablate.data.skeleton import mirror
from ablate.data.windows import Windows
from ablate.errors import InputError, TrainingDiverged
from ablate.evaluate import evaluate
from ablate.sections import EvaluateConfig, TrainConfig
from ablate.train import Epoch, Fitted, fit, learning_rate
from models.config import D3DP
from models.d3dp import Lifter
from models.pruning.config import MGPTP, SFT, TCEP, Pruning
from models.pruning.elastic import Elastic
from tests.motion import recording, windows

FRAMES = 9
SMALL = D3DP(frames=FRAMES, width=16, depth=2, heads=2, input="root_relative", init="warm")
SHORT = TrainConfig(epochs=2, batch=4, accelerator="cpu")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def motion() -> Windows:
    return windows(FRAMES, recording("Walking 1", "Walking", 40, seed=1), recording("Waving 1", "Waving", 31, seed=2))


class Watched(Lifter):
    """A lifter that remembers what the loop handed it, and that draws from torch's global generator as it trains."""

    def __init__(self, config: D3DP) -> None:
        super().__init__(config)
        self.seen: list[tuple[Tensor, Tensor]] = []
        self.prunings: list[Pruning | None] = []
        self.dropout = nn.Dropout(0.1)

    def loss(self, x2d_BFJ2: Tensor, x3d_BFJ3: Tensor, **options: Any) -> Tensor:
        self.seen.append((x2d_BFJ2, x3d_BFJ3))
        self.prunings.append(options.get("pruning"))
        return super().loss(self.dropout(x2d_BFJ2), x3d_BFJ3, **options)


def build(config: D3DP = SMALL) -> Watched:
    torch.manual_seed(0)
    return Watched(config)


def falling(_: Any) -> float:
    return 1.0


def scripted(*values: float) -> Callable[[Any], float]:
    rest = iter(values)
    return lambda _: next(rest)


def train(motion: Windows, config: TrainConfig = SHORT, *, seed: int = 0, lifter: Watched | None = None) -> Fitted:
    steady = iter(range(1000, 0, -1))
    return fit(lifter or build(), motion, config=config, seed=seed, validate=lambda _: float(next(steady)))


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("mode", ["each", "elastic"])
def test_the_same_seed_gives_the_same_bits_whatever_else_is_drawn(
    motion: Windows, mode: Literal["each", "elastic"]
) -> None:
    config = replace(SHORT, mode=mode, ema=0.9)
    pruned = replace(SMALL, pruning=Pruning(tcep=TCEP(), sft=SFT(), mgptp=MGPTP(before_pair=1)))
    first = train(motion, config, lifter=build(pruned))

    def disturb(_: Epoch) -> None:
        torch.manual_seed(77)
        torch.rand(5)

    steady = iter(range(1000, 0, -1))
    again = fit(build(pruned), motion, config=config, seed=0, validate=lambda _: float(next(steady)), on_epoch=disturb)
    assert equal(first.state, again.state)
    assert first.curves["train_loss_mm"] == again.curves["train_loss_mm"]
    assert not equal(first.state, train(motion, config, seed=1, lifter=build(pruned)).state)


def test_the_callers_generator_is_left_alone(motion: Windows) -> None:
    lifter = build()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(motion, lifter=lifter)
    assert torch.equal(torch.rand(3), expected)


def test_training_learns(motion: Windows) -> None:
    def validate(lifter: Lifter) -> float:
        config = EvaluateConfig(flip=False)
        found = evaluate(lifter, motion, config, seed=0, split="validation", input="gt", device=CPU)
        return next(m.value for m in found.metrics if m.metric == "mpjpe" and not m.action)

    lifter = build()
    before = validate(lifter)
    fitted = fit(lifter, motion, config=replace(SHORT, epochs=12, learning_rate=3e-3), seed=0, validate=validate)
    assert fitted.curves["train_loss_mm"][-1] < 0.5 * fitted.curves["train_loss_mm"][0]
    best = min(fitted.curves["validation_mpjpe_mm"])
    assert best < 0.5 * before
    assert validate(lifter) == best


def test_the_best_epoch_is_returned_and_the_earlier_one_on_a_tie(motion: Windows) -> None:
    weights: list[dict[str, Tensor]] = []
    values = iter((5.0, 3.0, 3.0, 4.0))

    def validate(lifter: Lifter) -> float:
        assert not lifter.training
        weights.append({name: value.clone() for name, value in lifter.state_dict().items()})
        return next(values)

    lifter = build()
    fitted = fit(lifter, motion, config=replace(SHORT, epochs=4), seed=0, validate=validate)
    assert fitted.best_epoch == 2
    assert equal(fitted.state, weights[1])
    assert equal(lifter.state_dict(), weights[1])
    assert not equal(weights[1], weights[2])


def test_curves_name_the_epochs_that_were_validated(motion: Windows) -> None:
    heard: list[Epoch] = []
    config = replace(SHORT, epochs=5, validate_every=2)
    fitted = fit(build(), motion, config=config, seed=0, validate=scripted(3, 2, 9), on_epoch=heard.append)
    assert fitted.curves["validation_epoch"] == [2, 4, 5]
    assert fitted.curves["validation_mpjpe_mm"] == [3, 2, 9]
    assert [len(fitted.curves[name]) for name in ("train_loss_mm", "learning_rate", "windows_per_s")] == [5, 5, 5]
    assert [(e.number, e.validation_mpjpe_mm, e.best) for e in heard] == [
        (1, None, 0),
        (2, 3, 2),
        (3, None, 2),
        (4, 2, 4),
        (5, 9, 4),
    ]


def test_averaging_is_exponential_over_steps(motion: Windows) -> None:
    config = replace(SHORT, windows=4)  # one step an epoch
    live: list[dict[str, Tensor]] = []

    def validate(lifter: Lifter) -> float:
        live.append({name: value.clone() for name, value in lifter.state_dict().items()})
        return -float(len(live))

    fit(build(), motion, config=config, seed=0, validate=validate)
    averaged = train(motion, replace(config, ema=0.75)).state
    for name, value in averaged.items():
        torch.testing.assert_close(value, 0.75 * live[0][name] + 0.25 * live[1][name])


def test_every_window_is_seen_once_an_epoch_unless_capped(motion: Windows) -> None:
    lifter = build()
    train(motion, replace(SHORT, flip=False, epochs=1), lifter=lifter)
    assert [len(x2d) for x2d, _ in lifter.seen] == [4, 4, 4, 4, 2]
    expected = motion.training(0, 0).batch(range(18))
    assert np.array_equal(torch.cat([x3d for _, x3d in lifter.seen]).numpy(), expected.x3d_BFJ3)
    capped = build()
    train(motion, replace(SHORT, windows=6, epochs=1), lifter=capped)
    assert [len(x2d) for x2d, _ in capped.seen] == [4, 2]


def test_flip_mirrors_some_windows_in_2d_and_3d_alike(motion: Windows) -> None:
    plain, flipped = build(), build()
    train(motion, replace(SHORT, flip=False), lifter=plain)
    train(motion, SHORT, lifter=flipped)
    mirrored = []
    for (x2d, x3d), (x2d_flipped, x3d_flipped) in zip(plain.seen, flipped.seen, strict=True):
        for i in range(len(x2d)):
            same = torch.equal(x2d[i], x2d_flipped[i]) and torch.equal(x3d[i], x3d_flipped[i])
            other = np.array_equal(mirror(x2d[i].numpy()), x2d_flipped[i].numpy())
            assert same or (other and np.array_equal(mirror(x3d[i].numpy()), x3d_flipped[i].numpy()))
            mirrored.append(not same)
    assert 5 < sum(mirrored) < len(mirrored) - 5


def test_elastic_training_draws_a_pruning_each_step(motion: Windows) -> None:
    pruned = replace(SMALL, pruning=Pruning(tcep=TCEP(), sft=SFT(), mgptp=MGPTP(before_pair=1)))
    lifter = build(pruned)
    train(motion, replace(SHORT, mode="elastic", elastic=Elastic(dense_share=0.2)), lifter=lifter)
    assert len({str(pruning) for pruning in lifter.prunings}) > 5
    fixed = build(pruned)
    train(motion, lifter=fixed)
    assert set(fixed.prunings) == {None}


def test_clipping_bounds_the_update(motion: Windows) -> None:
    """A gradient clipped far below Adam's epsilon moves nothing, where an unclipped one does."""
    still = build()
    start = {name: value.clone() for name, value in still.state_dict().items()}
    config = replace(SHORT, weight_decay=0.0, clip=1e-14)
    for name, value in train(motion, config, lifter=still).state.items():
        torch.testing.assert_close(value, start[name], atol=1e-6, rtol=0)
    moved = train(motion, replace(config, clip=None)).state
    assert any((value - start[name]).abs().max() > 1e-4 for name, value in moved.items())


def test_learning_rate_schedules() -> None:
    cosine = TrainConfig(learning_rate=2.0, warmup=0.1)
    assert learning_rate(cosine, 0, 0.05) == 1.0
    assert learning_rate(cosine, 0, 0.1) == 2.0
    assert learning_rate(cosine, 0, 0.55) == pytest.approx(1.0)
    assert 0 < learning_rate(cosine, 0, 0.9999) < 1e-6
    assert learning_rate(replace(cosine, warmup=0.0), 0, 0.5) == pytest.approx(1.0)
    exponential = TrainConfig(learning_rate=2.0, schedule="exponential", decay=0.5)
    assert [learning_rate(exponential, epoch, 0.3) for epoch in range(3)] == [2.0, 1.0, 0.5]


def test_a_loss_that_stops_being_finite_says_where_and_what_to_do(motion: Windows) -> None:
    config = replace(SHORT, learning_rate=1e30, clip=None, schedule="exponential")
    with pytest.raises(TrainingDiverged, match=r"epoch 1, step 2: the loss is .*rate 1e\+30; lower .*train\.clip"):
        train(motion, config)


class Rooted(Watched):
    """Its loss is finite, its gradient is not."""

    def __init__(self, config: D3DP) -> None:
        super().__init__(config)
        self.zero = nn.Parameter(torch.zeros(()))

    def loss(self, *args: Any, **kwargs: Any) -> Tensor:
        return super().loss(*args, **kwargs) + 0 * self.zero.sqrt()


def test_weights_that_stop_being_finite_never_reach_validation(motion: Windows) -> None:
    with pytest.raises(TrainingDiverged, match="epoch 1, step 1: a weight is no longer finite"):
        train(motion, replace(SHORT, windows=4), lifter=Rooted(SMALL))


def test_a_validation_error_that_is_not_finite_stops_the_training(motion: Windows) -> None:
    with pytest.raises(TrainingDiverged, match="epoch 2: the validation error is nan"):
        fit(build(), motion, config=SHORT, seed=0, validate=scripted(1.0, math.nan))


def test_what_the_callback_raises_ends_the_training(motion: Windows) -> None:
    def stop(_: Epoch) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(build(), motion, config=SHORT, seed=0, validate=falling, on_epoch=stop)


def test_bfloat16_trains(motion: Windows) -> None:
    half, full = train(motion, replace(SHORT, precision="bf16-mixed")), train(motion)
    assert not equal(half.state, full.state)
    assert half.curves["train_loss_mm"] == pytest.approx(full.curves["train_loss_mm"], rel=0.1)
    assert all(value.dtype == torch.float32 for value in half.state.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"precision": "16-mixed"}, "train.precision: 16-mixed needs a GPU"),
        pytest.param(
            {"accelerator": "gpu", "devices": 2},
            "train.devices: 2 asked for, and this machine offers 0",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU"),
        ),
        pytest.param(
            {"accelerator": "gpu"},
            "train.accelerator: gpu",
            marks=pytest.mark.skipif(torch.accelerator.is_available(), reason="this machine has an accelerator"),
        ),
    ],
)
def test_a_machine_that_lacks_what_is_asked_says_so(motion: Windows, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(motion, replace(SHORT, **change))
