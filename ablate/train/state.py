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


class Trainable(Protocol):
    """What the loop asks of a lifter, which is an nn.Module."""

    def loss(
        self, x2d_BFJ2: Tensor, x3d_BFJ3: Tensor, *, generator: torch.Generator, pruning: Any = None, rows: slice = ...
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
    ``windows_per_s``, and one for each epoch in ``validation_epoch`` under ``validation_mpjpe_mm``. ``seconds`` counts
    every part of a training that was gone on with."""

    state: dict[str, Tensor]
    curves: dict[str, list[float]]
    best_epoch: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What stays the same throughout a training. ``team`` is where it runs."""

    team: Team
    windows: Windows
    config: TrainConfig
    seed: int


@dataclass(kw_only=True)
class Run:
    """Everything that one epoch hands to the next, and nothing else; on the device it is trained on."""

    lifter: Trainable
    optimiser: _FabricOptimizer
    average: AveragedModel | None
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


def module_of(lifter: Trainable) -> nn.Module:
    assert isinstance(lifter, nn.Module)
    return lifter


def start(setting: Setting, lifter: Trainable) -> Run:
    """``lifter`` on its device, before the first epoch."""
    config, fabric = setting.config, setting.team.fabric
    module = module_of(lifter).to(fabric.device)
    optimiser = fabric.setup_optimizers(
        torch.optim.AdamW(module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    )
    assert isinstance(optimiser, _FabricOptimizer)  # one optimiser in, one out
    average = None
    if config.ema is not None:
        average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(config.ema))  # type: ignore[no-untyped-call]
    return Run(lifter=lifter, optimiser=optimiser, average=average)
