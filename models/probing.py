"""How a lifter is best carried out on this machine: a few ways, timed once."""

import time
from dataclasses import replace

import torch

from models.config import JOINTS
from models.contract import Lifter
from models.execution import BY_DEVICE, Execution

CANDIDATES = (1, 2, 4, 8, 16)  # rows at once


def fastest(lifter: Lifter, *, flip: bool = True, execution: Execution = BY_DEVICE) -> Execution:
    """``execution`` with the ``rows`` among CANDIDATES that took the least time a row, where the lifter stands.

    Each is timed twice, on windows of noise, and its better time counts: about sixty passes in all. It looks at a
    clock, so it may find another answer next time: use it where speed matters and the last bit doesn't.
    """
    seconds = {rows: _seconds(lifter, rows, flip=flip, execution=execution) for rows in CANDIDATES}
    return replace(execution, rows=min(CANDIDATES, key=lambda rows: seconds[rows]))


def _seconds(lifter: Lifter, rows: int, *, flip: bool, execution: Execution) -> float:
    """Of one row among so many at once."""
    device, sides = lifter.denoiser.head.weight.device, 2 if flip else 1
    windows = max(1, rows // sides)
    shape = (windows, lifter.config.frames, JOINTS, 2)
    x2d_BFJ2 = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    taken = []
    for _ in range(2):
        began = time.perf_counter()
        lifter.lift(x2d_BFJ2, flip=flip, execution=replace(execution, rows=rows))
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - began)
    return min(taken) / (windows * sides)
