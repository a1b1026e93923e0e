"""Batches for the loop: while one is trained on, a thread makes the next.

B windows, F frames, J joints.
"""

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ablate import seeds
from ablate.data.skeleton import mirror
from ablate.data.windows import Windows


class Poses(NamedTuple):
    """A batch to train on: 2D and 3D poses, float32 on the CPU, ready to go to the device while it computes."""

    x2d_BFJ2: Tensor
    x3d_BFJ3: Tensor


def feed(
    windows: Windows, batches: Sequence[range], *, flip: bool, seed: int, epoch: int, pinned: bool
) -> Generator[Poses, None, None]:
    """The windows of each of ``batches`` in turn. With ``flip`` half of all windows are mirrored, by draws at the
    address (seed, "flip", epoch, step), so that it doesn't matter which thread draws. ``pinned``: in memory that a GPU
    reads by itself.

    Raises what reading the windows raises. To be closed where it isn't used up: its thread ends with it.
    """

    def make(step: int) -> Poses:
        chosen = np.arange(batches[step].start, batches[step].stop)
        x2d_BFJ2, x3d_BFJ3 = windows.poses(chosen)
        if flip:
            flip_B = seeds.stream(seed, "flip", epoch, step).random(len(chosen)) < 0.5
            x2d_BFJ2[flip_B], x3d_BFJ3[flip_B] = mirror(x2d_BFJ2[flip_B]), mirror(x3d_BFJ3[flip_B])
        made = (torch.from_numpy(x2d_BFJ2), torch.from_numpy(x3d_BFJ3))
        return Poses(*(poses.pin_memory() for poses in made)) if pinned else Poses(*made)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="windows") as thread:
        coming = thread.submit(make, 0)
        for step in range(len(batches)):
            ready = coming.result()
            if step + 1 < len(batches):
                coming = thread.submit(make, step + 1)
            yield ready
