"""The poses of one window, as a record keeps them to be looked at.

Legend: K denoising steps, H hypotheses, F frames, J joints.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from ablate.data.arrays import Array
from ablate.data.windows import Windows
from ablate.evaluate.lifting import Lifts, lifted
from ablate.sections import EvaluateConfig

HYPOTHESES = 10  # as many are kept: a cloud is seen in so few, and a record of 243 frames stays under a megabyte


def sample(
    lifter: Lifts,
    windows: Windows,
    window: int,
    config: EvaluateConfig,
    counts: Sequence[int],
    *,
    seed: int,
    device: torch.device,
) -> list[dict[str, Array]]:
    """The arrays ``sample/...`` of ``window`` for each number of hypotheses in ``counts``: what ``evaluate_counts``
    makes of that window, from one run with the largest of them. All float32:

    ``sample/truth`` (F, J, 3) and ``sample/pose`` (F, J, 3), metres, root-relative in camera axes, the mean of all
    hypotheses after the last step; ``sample/hypotheses`` (up to ten, F, J, 3) where there are several;
    ``sample/input`` (F, J, 2), normalised screen coordinates. Raises NotFinite when a pose isn't finite.
    """
    assert isinstance(lifter, nn.Module)
    lifter.to(device).eval()
    chosen_B = np.array([window])
    batch = windows.batch(chosen_B)
    with torch.inference_mode():
        pose_BKHFJ3 = lifted(
            lifter,
            windows,
            chosen_B,
            torch.from_numpy(batch.x2d_BFJ2).to(device),
            replace(config, hypotheses=max(counts)),
            seed=seed,
            split="test",
        )
        last_HFJ3 = pose_BKHFJ3[0, -1]
        means = [last_HFJ3[:count].mean(dim=0).cpu().numpy() for count in counts]
    given = {"sample/truth": batch.x3d_BFJ3[0], "sample/input": batch.x2d_BFJ2[0]}
    kept_HFJ3 = last_HFJ3[:HYPOTHESES].cpu().numpy()
    return [
        {**given, "sample/pose": mean_FJ3, **({"sample/hypotheses": kept_HFJ3[:count]} if count > 1 else {})}
        for count, mean_FJ3 in zip(counts, means, strict=True)
    ]
