"""Windows lifted as a study says, with draws that belong to each window: how the work is cut changes nothing.

Legend: B windows of a batch, K denoising steps, H hypotheses, F frames, J joints, A values of a joint that are
diffused.
"""

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ablate import seeds
from ablate.data.arrays import Array
from ablate.data.skeleton import NAMES
from ablate.data.windows import Index, Windows
from ablate.errors import NotFinite
from ablate.sections import BranchConfig, EvaluateConfig
from ablate.smoothing import low_pass
from models.execution import Execution
from models.sampling import Draws, Flip


class Lifts(Protocol):
    """What evaluation asks of a lifter, which is an nn.Module; ``channels`` values of each joint are diffused."""

    @property
    def channels(self) -> int: ...

    def select(self, x2d_BFJ2: Tensor) -> Any: ...

    def lift(
        self,
        x2d_BFJ2: Tensor,
        *,
        hypotheses: int,
        steps: int,
        flip: Flip,
        draws: Draws,
        eta: float,
        noise: Tensor,
        branch: BranchConfig | None,
        execution: Execution,
    ) -> Tensor: ...


def lifted(
    lifter: Lifts,
    windows: Windows,
    chosen_B: Index,
    x2d_BFJ2: Tensor,
    config: EvaluateConfig,
    *,
    seed: int,
    split: str,
) -> Tensor:
    """Every step's poses of these windows, (B, K, H, F, J, 3), on the input's device; low-passed where ``config`` says
    so.

    Raises NotFinite, which names ``split``, when a pose isn't finite.
    """
    noise_KBHFJA = torch.from_numpy(draws(windows, chosen_B, config, seed, lifter.channels)).to(x2d_BFJ2.device)
    pose_BKHFJ3 = lifter.lift(
        x2d_BFJ2,
        hypotheses=config.hypotheses,
        steps=config.steps,
        flip=config.flip,
        draws=config.draws,
        eta=config.eta,
        noise=noise_KBHFJA,
        branch=config.branch,
        execution=Execution(precision=config.precision),
    )
    if not bool(pose_BKHFJ3.isfinite().all()):
        raise NotFinite(f"{split}: the lifter's poses are not finite; its weights or the 2D input are damaged")
    return pose_BKHFJ3 if config.low_pass is None else low_pass(pose_BKHFJ3, config.low_pass)


def draws(windows: Windows, chosen_B: Index, config: EvaluateConfig, seed: int, channels: int) -> Array:
    """The noise of these windows, float32 (K, B, H, F, J, A): [0] is x_T, [i] what is added after step i - 1.

    A window's stream gives one hypothesis after the other, so the first of five is the one of a run with one.
    """
    shape_HKFJA = (config.hypotheses, config.steps, windows.frames, len(NAMES), channels)
    noise_KBHFJA = np.empty((config.steps, len(chosen_B), config.hypotheses, *shape_HKFJA[2:]), np.float32)
    for place, window in enumerate(chosen_B):
        label, start = windows.views[windows.view_W[window]].label, int(windows.start_W[window])
        drawn_HKFJA = seeds.stream(seed, "evaluate", label, start).standard_normal(shape_HKFJA, np.float32)
        noise_KBHFJA[:, place] = drawn_HKFJA.swapaxes(0, 1)
    return noise_KBHFJA
