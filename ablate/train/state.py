"""What a training is made of: what stays the same throughout, and what one epoch hands to the next.

B windows, F frames, J joints.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
import torch
from lightning_fabric.wrappers import _FabricOptimizer
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ablate.data.windows import Windows
from ablate.sections import TrainConfig
from ablate.train.devices import Team
from models.config import JOINTS, Host

CACHED = 2**20  # values of the widest activation that a CPU takes at once: 4 MB in float32


class Trainable(Protocol):
    """What the loop asks of a lifter, which is an nn.Module."""

    @property
    def config(self) -> Host: ...

    def loss(
        self, x2d_BFJ2: Tensor, x3d_BFJ3: Tensor, *, generator: torch.Generator, pruning: Any = None, rows: slice = ...
    ) -> Tensor: ...

    def elastic(self, elastic: Any, rng: np.random.Generator) -> Any: ...

    def recompute(self, on: bool = ...) -> None: ...

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
    ``windows_per_s``, and one for each epoch in ``validation_epoch`` under ``validation_mpjpe_mm``. ``seconds`` counts
    every part of a training that was gone on with."""

    state: dict[str, Tensor]
    curves: dict[str, list[float]]
    best_epoch: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What stays the same throughout a training. ``team`` is where it runs; ``rows`` are the windows that go through
    the network at once."""

    team: Team
    windows: Windows
    config: TrainConfig
    seed: int
    rows: int


@dataclass(kw_only=True)
class Run:
    """Everything that one epoch hands to the next, and nothing else; on the device it is trained on."""

    lifter: Trainable
    optimiser: _FabricOptimizer
    average: "Average | None"
    curves: dict[str, list[float]] = field(default_factory=dict)
    best_state: dict[str, Tensor] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.curves.get("train_loss_mm", []))

    @property
    def best(self) -> tuple[float, int]:
        """The lowest validation error, mm, and the first epoch that had it; (inf, 0) before there is one."""
        errors = zip(self.curves.get("validation_mpjpe_mm", []), self.curves.get("validation_epoch", []), strict=True)
        error_mm, epoch = min(errors, default=(math.inf, 0))
        return error_mm, int(epoch)

    @property
    def evaluated(self) -> Trainable:
        """The weights that count: their running average where there is one."""
        return self.lifter if self.average is None else cast(Trainable, self.average.module)

    def note(self, **values: float) -> None:
        for name, value in values.items():
            self.curves.setdefault(name, []).append(value)


class Average(AveragedModel):
    """Torch's, whose update also sends a counter to the device in each step, for which the processor has to wait."""

    def update_parameters(self, model: nn.Module) -> None:
        """Moves the running weights towards ``model``'s, in place; the first time they become ``model``'s."""
        if self.n_averaged == 0:
            super().update_parameters(model)
            return
        assert self.multi_avg_fn is not None
        self.multi_avg_fn([*self.module.parameters()], [*model.parameters()], 0)
        for running, now in zip(self.module.buffers(), model.buffers(), strict=True):
            running.copy_(now)
        self.n_averaged += 1


def module_of(lifter: Trainable) -> nn.Module:
    assert isinstance(lifter, nn.Module)
    return lifter


def rows(config: TrainConfig, host: Host, device: torch.device) -> int:
    """How many of a batch's windows go through the network at once: ``accumulate`` parts of it, or the device's own
    rule, which looks at sizes and never at a clock.

    A CPU takes as many as its cache holds: what does not fit is not only fetched again, but every such tensor's pages
    are asked of the system anew. Elsewhere it is the whole batch.
    """
    if config.accumulate is not None:
        return math.ceil(config.batch / config.accumulate)
    if device.type != "cpu" or host.whole_batch:
        return config.batch
    widest = host.frames * JOINTS * max(host.width, host.hidden)
    parts = math.ceil(config.batch / max(1, CACHED // widest))
    return math.ceil(config.batch / parts)


def start(setting: Setting, lifter: Trainable) -> Run:
    """``lifter`` on its device, before the first epoch."""
    config, fabric = setting.config, setting.team.fabric
    module = module_of(lifter).to(fabric.device)
    lifter.recompute(config.checkpointing)
    # One kernel for all weights; it would undo 16-mixed's scale of the gradients itself, after they are clipped.
    adamw = torch.optim.AdamW(
        module.parameters(),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=config.precision != "16-mixed",
    )
    optimiser = fabric.setup_optimizers(adamw)
    assert isinstance(optimiser, _FabricOptimizer)  # one optimiser in, one out
    average = None
    if config.ema is not None:
        average = Average(module, multi_avg_fn=get_ema_multi_avg_fn(config.ema))  # type: ignore[no-untyped-call]
    return Run(lifter=lifter, optimiser=optimiser, average=average)
