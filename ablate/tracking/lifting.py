"""A trained lifter as MLflow loads it: 2D keypoints in, 3D poses out.

MLflow keeps a copy of this very file beside the weights ("models from code": nothing is pickled) and runs it where the
model is loaded; pose-ablate must be installed there. How it lifts is said when it is loaded, ``model_config`` of
``mlflow.pyfunc.load_model``: ``hypotheses``, ``steps``, ``flip``, ``draws``, ``eta``, ``precision``, ``branch`` and
``low_pass`` as a study's ``evaluate`` has them, and ``pruning`` as its model has it ("trained": what the weights were
made with, None: none).

B windows, K denoising steps, H hypotheses, F frames, J = 17 joints in Human3.6M's order. Keypoints are normalised
screen coordinates, poses metres in camera axes, the root at zero or as the lifter puts it.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

import models
from ablate.sections import BranchConfig
from ablate.smoothing import low_pass
from models.contract import Lifter
from models.execution import Execution
from models.pruning.config import Pruning
from models.weights import PARTS


class Lifting(PythonModel):
    """See the module's text. Each window has the same noise, drawn under seed 0: equal keypoints give equal poses."""

    def load_context(self, context: Any) -> None:
        """Called by MLflow once. Raises ValueError where the weights don't fit what is asked for."""
        self._how = dict(context.model_config)
        self._lifter = _pruned(models.load(context.artifacts["weights"]), self._how["pruning"]).eval()

    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> np.ndarray:
        """Keypoints (B, F, 17, 2) to poses (B, F, 17, 3), float32: the last step's, averaged over hypotheses."""
        how, branch = self._how, self._how["branch"]
        x2d_BFJ2 = torch.from_numpy(np.array(model_input, np.float32))
        pose_BKHFJ3 = self._lifter.lift(
            x2d_BFJ2,
            hypotheses=how["hypotheses"],
            steps=how["steps"],
            flip=how["flip"],
            draws=how["draws"],
            eta=how["eta"],
            noise=self._noise(how["steps"], how["hypotheses"], x2d_BFJ2.shape[:3]),
            branch=None if branch is None else BranchConfig(**branch),
            execution=Execution(precision=how["precision"]),
        )
        if how["low_pass"] is not None:
            pose_BKHFJ3 = low_pass(pose_BKHFJ3, how["low_pass"])
        pose_BFJ3: np.ndarray = pose_BKHFJ3[:, -1].mean(dim=1).numpy()
        return pose_BFJ3

    def _noise(self, steps: int, hypotheses: int, windows_BFJ: torch.Size) -> torch.Tensor:
        """(K, B, H, F, J, A), hypothesis by hypothesis, so that the first of many are those of few."""
        generator, shape_KFJA = torch.Generator().manual_seed(0), (steps, 1, *windows_BFJ[1:], self._lifter.channels)
        draws = [torch.randn(shape_KFJA, generator=generator) for _ in range(hypotheses)]
        return torch.stack(draws, dim=2).expand(-1, windows_BFJ[0], -1, -1, -1, -1)


def _pruned(lifter: Lifter, asked: Any) -> Lifter:
    """``lifter`` with the pruning that is asked for, by the same weights."""
    if asked == "trained":
        return lifter
    given = (asked or {}).items()
    parts = {name: PARTS[name](**part) if name in PARTS and part is not None else part for name, part in given}
    try:
        other = models.build(replace(lifter.config, pruning=None if asked is None else Pruning(**parts)))
        other.load_state_dict(lifter.state_dict())
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"model_config: these weights can't be pruned as {asked} ({error})") from error
    return other


set_model(Lifting())
