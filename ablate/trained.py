"""What a training leaves behind, as frozen values: its weights when it is done, a checkpoint on the way there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Weights:
    """A finished training: ``state`` by parameter name, and the file's metadata, whose ``fit`` is its history."""

    state: Mapping[str, "torch.Tensor"]
    metadata: Mapping[str, str]

    @property
    def fit(self) -> dict[str, Any]:
        """Curves, best epoch, seconds: what the training told."""
        return dict(json.loads(self.metadata["fit"]))


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Where a training stood when an epoch had ended. Every random draw has an address, so the next epoch needs nothing
    else of the past, and no generator's state.

    ``tensors``, on the CPU, are named "<part>/<name>": ``lifter/`` its state, ``optimiser/<moment>/`` one of AdamW's
    moments of a weight (only of weights that have had a gradient), ``average/`` the running average where there is one,
    ``best/`` the best epoch's weights once an epoch was validated. ``curves`` are those of ``Fitted``; ``seconds`` is
    the time spent so far, in all parts of the training; ``scaler`` is how 16-mixed scales its loss, else empty.
    """

    tensors: Mapping[str, "torch.Tensor"]
    curves: Mapping[str, list[float]]
    seconds: float
    scaler: Mapping[str, float]

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.curves["train_loss_mm"])
