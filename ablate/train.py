"""The one training loop: windows and a built lifter in, the best epoch's weights out.

B windows, F frames, J joints. Every random draw has an address of (seed, purpose, epoch, step), so neither the order of
work nor what else draws random numbers can change the weights: on a CPU the same seed gives the same bits. All that one
epoch hands to the next is in ``_Run``; an epoch needs nothing else of the past.
"""

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricOptimizer
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ablate import seeds
from ablate.data.skeleton import mirror
from ablate.data.windows import Batch, Windows
from ablate.errors import InputError, TrainingDiverged
from ablate.sections import TrainConfig

MM = 1000.0


class Trainable(Protocol):
    """What the loop asks of a lifter, which is an nn.Module."""

    def loss(
        self, x2d_BFJ2: Tensor, x3d_BFJ3: Tensor, *, generator: torch.Generator, pruning: Any = None
    ) -> Tensor: ...

    def elastic(self, elastic: Any, rng: np.random.Generator) -> Any: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def state_dict(self) -> dict[str, Tensor]: ...

    def train(self) -> Any: ...

    def eval(self) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What is known when an epoch ends. ``number`` and ``best`` count from 1; ``validation_mpjpe_mm`` is None where
    the epoch was not validated; ``learning_rate`` is the last step's."""

    number: int
    epochs: int
    train_loss_mm: float
    validation_mpjpe_mm: float | None
    learning_rate: float
    windows_per_s: float
    best: int


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A finished training. ``state`` holds the best epoch's weights on the CPU (the averaged ones where averaging is
    on); ``best_epoch`` counts from 1. ``curves`` has one value an epoch under ``train_loss_mm``, ``learning_rate`` and
    ``windows_per_s``, and one for each epoch in ``validation_epoch`` under ``validation_mpjpe_mm``."""

    state: dict[str, Tensor]
    curves: dict[str, list[float]]
    best_epoch: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """What stays the same throughout a training."""

    fabric: Fabric
    windows: Windows
    config: TrainConfig
    seed: int
    validate: Callable[[Any], float]


@dataclass(kw_only=True)
class _Run:
    """Everything that one epoch hands to the next, and nothing else."""

    lifter: Trainable
    optimiser: _FabricOptimizer
    average: AveragedModel | None
    epoch: int = 0
    curves: dict[str, list[float]] = field(default_factory=dict)
    best_mm: float = math.inf
    best_epoch: int = 0
    best_state: dict[str, Tensor] = field(default_factory=dict)

    @property
    def evaluated(self) -> Trainable:
        """The weights that count: their running average where there is one."""
        return self.lifter if self.average is None else cast(Trainable, self.average.module)

    def note(self, **values: float) -> None:
        for name, value in values.items():
            self.curves.setdefault(name, []).append(value)


def learning_rate(config: TrainConfig, epoch: int, progress: float) -> float:
    """The rate in ``epoch`` (from 0) at ``progress``, the share of the whole training behind it, in (0, 1)."""
    if config.schedule == "exponential":
        return config.learning_rate * config.decay**epoch
    if progress < config.warmup:
        return config.learning_rate * progress / config.warmup
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - config.warmup) / (1 - config.warmup)))


def fit(
    lifter: Trainable,
    windows: Windows,
    *,
    config: TrainConfig,
    seed: int,
    validate: Callable[[Any], float],
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Fitted:
    """Train ``lifter`` on ``windows``; on return it holds the best epoch's weights, on the device it was trained on.

    ``validate`` returns the validation error of the lifter it is handed, in millimetres; the lowest one decides, the
    earlier epoch on a tie. Raises TrainingDiverged when the loss, the weights or the validation error stop being
    finite, InputError when this machine lacks the accelerator or the precision.
    """
    started = time.perf_counter()
    setting = _Setting(fabric=_fabric(config), windows=windows, config=config, seed=seed, validate=validate)
    run = _start(setting, lifter)
    while run.epoch < config.epochs:
        ended = _epoch(setting, run)
        if on_epoch is not None:
            on_epoch(ended)
    _module(lifter).load_state_dict(run.best_state)
    seconds = time.perf_counter() - started
    return Fitted(state=run.best_state, curves=run.curves, best_epoch=run.best_epoch, seconds=seconds)


def _fabric(config: TrainConfig) -> Fabric:
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces its precision on stderr
    if config.devices != 1:
        raise InputError(f"train.devices: one training runs on one device, got {config.devices}; set it to 1")
    try:
        with warnings.catch_warnings():
            # Fabric would train in another precision than the one that goes on record.
            warnings.filterwarnings("error", message=".*AMP with fp16 is not supported on CPU.*")
            return Fabric(accelerator=config.accelerator, devices=1, precision=config.precision)
    except UserWarning:
        text = "train.precision: 16-mixed needs a GPU and this machine offers none; use bf16-mixed or 32-true"
        raise InputError(text) from None
    except RuntimeError as error:
        text = f"train.accelerator: {config.accelerator} is not to be had on this machine ({error}); use cpu or auto"
        raise InputError(text) from error


def _start(setting: _Setting, lifter: Trainable) -> _Run:
    config, module = setting.config, _module(lifter).to(setting.fabric.device)
    optimiser = setting.fabric.setup_optimizers(
        torch.optim.AdamW(module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    )
    assert isinstance(optimiser, _FabricOptimizer)  # one optimiser in, one out
    average = None
    if config.ema is not None:
        average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(config.ema))  # type: ignore[no-untyped-call]
    return _Run(lifter=lifter, optimiser=optimiser, average=average)


def _module(lifter: Trainable) -> nn.Module:
    assert isinstance(lifter, nn.Module)
    return lifter


def _epoch(setting: _Setting, run: _Run) -> Epoch:
    """Train for one epoch, validate where it is due, and bring ``run`` up to date."""
    config, started = setting.config, time.perf_counter()
    drawn = setting.windows.training(setting.seed, run.epoch)
    count = len(drawn) if config.windows is None else min(config.windows, len(drawn))
    starts = range(0, count, config.batch)
    loss_sum = 0.0
    run.lifter.train()
    with _own_randomness(setting.fabric.device):
        for step, start in enumerate(starts):
            rate = learning_rate(config, run.epoch, (run.epoch + (step + 0.5) / len(starts)) / config.epochs)
            batch = drawn.batch(np.arange(start, min(start + config.batch, count)))
            loss = _step(setting, run, batch, step, rate)
            if not math.isfinite(loss):
                raise _diverged(f"the loss is {loss}", config, run.epoch, step, rate)
            loss_sum += loss * len(batch.x2d_BFJ2)
    speed = count / (time.perf_counter() - started)
    if not all(bool(weight.isfinite().all()) for weight in run.lifter.parameters()):
        raise _diverged("a weight is no longer finite", config, run.epoch, step, rate)
    run.epoch += 1
    run.note(train_loss_mm=MM * loss_sum / count, learning_rate=rate, windows_per_s=speed)
    due = run.epoch % config.validate_every == 0 or run.epoch == config.epochs
    return Epoch(
        number=run.epoch,
        epochs=config.epochs,
        train_loss_mm=MM * loss_sum / count,
        validation_mpjpe_mm=_validate(setting, run) if due else None,
        learning_rate=rate,
        windows_per_s=speed,
        best=run.best_epoch,
    )


def _step(setting: _Setting, run: _Run, batch: Batch, step: int, rate: float) -> float:
    """One update of the weights; returns the loss before it, in metres."""
    config, fabric, seed, where = setting.config, setting.fabric, setting.seed, (run.epoch, step)
    x2d_BFJ2, x3d_BFJ3 = batch.x2d_BFJ2, batch.x3d_BFJ3
    if config.flip:
        flip_B111 = seeds.stream(seed, "flip", *where).random((len(x2d_BFJ2), 1, 1, 1)) < 0.5
        x2d_BFJ2 = np.where(flip_B111, mirror(x2d_BFJ2), x2d_BFJ2)
        x3d_BFJ3 = np.where(flip_B111, mirror(x3d_BFJ3), x3d_BFJ3)
    pruning: dict[str, Any] = {}
    if config.mode == "elastic":
        pruning["pruning"] = run.lifter.elastic(config.elastic, seeds.stream(seed, "elastic", *where))
    for group in run.optimiser.param_groups:
        group["lr"] = rate
    # What a layer draws from torch's global generator (dropout) has an address as well.
    torch.manual_seed(seeds.torch_stream(seed, "layers", *where).initial_seed())
    with fabric.autocast():
        loss = run.lifter.loss(
            fabric.to_device(torch.from_numpy(x2d_BFJ2)),
            fabric.to_device(torch.from_numpy(x3d_BFJ3)),
            generator=seeds.torch_stream(seed, "diffusion", *where),
            **pruning,
        )
    fabric.backward(loss)
    if config.clip is not None:
        fabric.clip_gradients(_module(run.lifter), run.optimiser, max_norm=config.clip, error_if_nonfinite=False)
    run.optimiser.step()
    run.optimiser.zero_grad()
    if run.average is not None:
        run.average.update_parameters(_module(run.lifter))
    return float(loss.detach())


def _validate(setting: _Setting, run: _Run) -> float:
    """The validation error in millimetres; the weights are kept when it is the lowest so far."""
    run.evaluated.eval()
    error_mm = setting.validate(run.evaluated)
    if not math.isfinite(error_mm):
        raise TrainingDiverged(f"training diverged in epoch {run.epoch}: the validation error is {error_mm}")
    run.note(validation_epoch=run.epoch, validation_mpjpe_mm=error_mm)
    if error_mm < run.best_mm:
        run.best_mm, run.best_epoch = error_mm, run.epoch
        run.best_state = {name: value.detach().cpu().clone() for name, value in run.evaluated.state_dict().items()}
    return error_mm


def _own_randomness(device: torch.device) -> AbstractContextManager[None]:
    """Whatever is seeded inside leaves the caller's generators as they were."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def _diverged(what: str, config: TrainConfig, epoch: int, step: int, rate: float) -> TrainingDiverged:
    mends = ["lower train.learning_rate"]
    if config.clip is None:
        mends.append("bound the gradient with train.clip")
    if config.precision == "16-mixed":
        mends.append("train in bf16-mixed or 32-true")
    where = f"epoch {epoch + 1}, step {step + 1}"
    return TrainingDiverged(f"training diverged in {where}: {what} at learning rate {rate:.3g}; {' or '.join(mends)}")
