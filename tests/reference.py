"""Numbers of the reference programs, as they lie in tests/fixtures."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FIXTURES = Path(__file__).parent / "fixtures"


class Numbers:
    """A fixture's arrays as tensors."""

    def __init__(self, name: str) -> None:
        self.arrays = np.load(FIXTURES / f"{name}.npz", allow_pickle=False)

    def __getitem__(self, key: str) -> Tensor:
        return torch.from_numpy(np.asarray(self.arrays[key]))

    def state(self, prefix: str = "") -> dict[str, Tensor]:
        names = [name for name in self.arrays.files if name.startswith("state/")]
        return {prefix + name.removeprefix("state/"): self[name] for name in names}
