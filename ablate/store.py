"""Trained weights, by the hash of what made them: a training is paid for once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import StorageError
from ablate.records import write_atomically

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


def save(path: Path, weights: Weights) -> None:
    """Write to a temporary name, then rename. Raises StorageError."""
    from safetensors.torch import save as serialise

    state = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.state.items()}
    write_atomically(path, serialise(state, dict(weights.metadata)))


def load(path: Path) -> Weights | None:
    """Stored weights, or None where there are none. Raises StorageError when the file is damaged."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            return Weights({name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {})  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"{path}: damaged weights ({error}); delete the file, and the study trains them again"
        ) from error
