"""A lifter that guesses, windows to evaluate it on, and what counts of its poses: worked out by hand."""

import numpy as np
import torch
from torch import Tensor, nn

from ablate.data.arrays import Array
from ablate.data.config import DataConfig
from ablate.data.film import film
from ablate.data.windows import Mask, View, Windows
from ablate.evaluate import Evaluation, draws, evaluate
from ablate.sections import EvaluateConfig
from tests.motion import recording

FRAMES = 9
MANY = EvaluateConfig(hypotheses=3, steps=2, batch=4)
LENGTHS = {"Walking 1": 31, "Walking 2": 47, "Sitting 1": 7, "Eating": 18}  # beside windows of nine


class Guess(nn.Module):
    """Lifts to a tenth of the noise it is handed."""

    channels = 3

    def select(self, x2d_BFJ2: Tensor) -> None:
        """Nothing is pruned."""

    def lift(self, x2d_BFJ2: Tensor, *, noise: Tensor, **how: object) -> Tensor:
        return noise.transpose(0, 1) * 0.1


def views() -> list[View]:
    clips = [recording(name, name.split()[0], length, seed=i) for i, (name, length) in enumerate(LENGTHS.items())]
    config = DataConfig(cameras=2, input="gt")
    return [view for clip in clips for view in film(clip, config)]


def run(lifter: nn.Module, windows: Windows, config: EvaluateConfig = MANY, *, shares: bool = False) -> Evaluation:
    device = torch.device("cpu")
    return evaluate(lifter, windows, config, seed=0, split="test", input="gt", device=device, shares=shares)  # type: ignore[arg-type]


def value(
    found: Evaluation, metric: str, aggregation: str = "mean", protocol: str = "exact", action: str = ""
) -> float:
    """The value at the last step."""
    (one,) = (
        m.value
        for m in found.metrics
        if (m.metric, m.aggregation, m.protocol, m.action) == (metric, aggregation, protocol, action)
        and m.step == m.steps
    )
    return one


def guesses(on: Windows, config: EvaluateConfig = MANY) -> Tensor:
    """What Guess lifts to in the last step, (W, H, F, J, 3)."""
    return 0.1 * torch.from_numpy(draws(on, np.arange(len(on)), config, 0, 3)[-1])


def truth(on: Windows) -> Tensor:
    return torch.from_numpy(on.batch(range(len(on))).x3d_BFJ3)


def shown(on: Windows) -> Mask:
    """Frames of a window that its view has, (W, F): what the reference programs count."""
    frame_WF = on.start_W[:, None] + np.arange(on.frames)
    length_W1 = np.array([len(view) for view in on.views])[on.view_W, None]
    mask: Mask = (frame_WF >= 0) & (frame_WF < length_W1)
    return mask


def counted(on: Windows, protocol: str) -> Mask:
    return on.counted_WF if protocol == "exact" else shown(on)


def actions(on: Windows) -> Array:
    return np.array([view.action for view in on.views])[on.view_W]


def plain_mean(on: Windows, error_WF: Array, counted_WF: Mask) -> float:
    """The reference's overall value: the mean of the actions' means."""
    of_action = [actions(on) == action for action in np.unique(actions(on))]
    return float(np.mean([error_WF[some][counted_WF[some]].mean() for some in of_action]))
