"""How wrong a lifter is on a split: overall and by action, at every step, by aggregation, under both protocols.

Legend: W windows, B windows of a batch, K denoising steps, H hypotheses, F frames, J joints. Errors are metres inside,
millimetres in what is returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ablate.data.windows import Index, Mask, Windows
from ablate.evaluate.lifting import Lifts, draws, lifted
from ablate.evaluate.protocols import ORACLE_BATCH, Tally, action_name, counted_frames
from ablate.evaluate.sample import sample
from ablate.evaluate.scores import UNITS, Seen
from ablate.records import Metric
from ablate.sections import EvaluateConfig

__all__ = [
    "ORACLE_BATCH",
    "UNITS",
    "Evaluation",
    "Lifts",
    "action_name",
    "draws",
    "evaluate",
    "evaluate_counts",
    "sample",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """``metrics``, those of the configured protocol before the other's, and what can be deployed before oracles.

    Of the frames that ``exact`` counts (last step, aggregation ``mean``): the MPJPE in millimetres of each window in
    ``windows``, float32 (W,); how many these are, int32 (W,); and the mean error of each joint, float32 (J,).
    """

    metrics: tuple[Metric, ...]
    windows: Windows
    window_mpjpe_mm: npt.NDArray[np.float32]
    frames: npt.NDArray[np.int32]
    joint_mm: npt.NDArray[np.float32]


def evaluate(
    lifter: Lifts,
    windows: Windows,
    config: EvaluateConfig,
    *,
    seed: int,
    split: str,
    input: str,
    device: torch.device,
    shares: bool = False,
) -> Evaluation:
    """Lift ``windows`` and compare with the truth; ``lifter`` is left on ``device`` in evaluation mode.

    MPJPE and P-MPJPE average over counted frames, MPJVE over pairs of consecutive counted frames within a window (the
    step from one window to the next belongs to neither); ``shares`` asks for PCK and AUC as well. What is followed over
    steps and actions is ``mean``, ``p_best`` and ``j_best`` under the configured protocol (PCK and AUC by action too);
    all else is given overall, after the last step. Aggregations that look at the input's reprojection need the
    intrinsics of every camera. Each window's noise has an address of its own, so neither the batch nor the other
    windows change a result. With one hypothesis there is nothing to choose: only ``mean`` is given. Raises NotFinite
    when a pose isn't finite.
    """
    counts = (config.hypotheses,)
    (found,) = evaluate_counts(
        lifter, windows, config, counts, seed=seed, split=split, input=input, device=device, shares=shares
    )
    return found


def evaluate_counts(
    lifter: Lifts,
    windows: Windows,
    config: EvaluateConfig,
    counts: Sequence[int],
    *,
    seed: int,
    split: str,
    input: str,
    device: torch.device,
    shares: bool = False,
) -> list[Evaluation]:
    """As ``evaluate``, for each number of hypotheses in ``counts`` from one run with the largest of them.

    The noise of the first H hypotheses is that of a run with H, and no hypothesis knows of another: on a CPU the errors
    are those of a run with H bit for bit, on a GPU to rounding.
    """
    if config.cameras is not None:
        windows = windows.first_cameras(config.cameras)
    assert isinstance(lifter, nn.Module)
    lifter.to(device).eval()
    config = replace(config, hypotheses=max(counts))
    tallies = [Tally(windows, replace(config, hypotheses=count)) for count in counts]
    look = _Look(lifter, windows, config.protocol, shares, device)
    for start in range(0, len(windows), config.batch):
        chosen_B = np.arange(start, min(start + config.batch, len(windows)))
        with torch.inference_mode():
            seen = look(chosen_B)
            pose_BKHFJ3 = lifted(lifter, windows, chosen_B, seen.x2d_BFJ2, config, seed=seed, split=split)
            for count, tally in zip(counts, tallies, strict=True):
                tally.add(chosen_B, pose_BKHFJ3[:, :, :count], seen)
    frames_W = windows.counted_WF.sum(axis=1).astype(np.int32)
    return [
        Evaluation(
            metrics=tuple(tally.metrics(split, input)),
            windows=windows,
            window_mpjpe_mm=tally.window_mpjpe_mm().astype(np.float32),
            frames=frames_W,
            joint_mm=tally.joint_mm().astype(np.float32),
        )
        for tally in tallies
    ]


class _Look:
    """What there is to see of windows besides the poses that they are lifted to."""

    def __init__(self, lifter: Lifts, windows: Windows, protocol: str, shares: bool, device: torch.device) -> None:
        self._lifter, self._windows, self._protocol, self._shares = lifter, windows, protocol, shares
        self._device = device
        self._counted: dict[str, Mask] = counted_frames(windows)
        self._cameras_known = bool(np.isfinite(windows.intrinsics(np.arange(len(windows)))).all())

    def __call__(self, chosen_B: Index) -> Seen:
        batch = self._windows.batch(chosen_B)
        x2d_BFJ2, truth_BFJ3, root_BF3, intrinsic_B9 = (
            torch.from_numpy(array).to(self._device)
            for array in (batch.x2d_BFJ2, batch.x3d_BFJ3, batch.root_BF3, batch.intrinsic_B9)
        )
        counted = {name: torch.from_numpy(mask[chosen_B]).to(self._device) for name, mask in self._counted.items()}
        return Seen(
            x2d_BFJ2=x2d_BFJ2,
            truth_BFJ3=truth_BFJ3,
            root_BF3=root_BF3,
            counted=counted,
            protocol=self._protocol,
            intrinsic_B9=intrinsic_B9 if self._cameras_known else None,
            kept_BF=_kept(self._lifter, x2d_BFJ2),
            shares=self._shares,
        )


def _kept(lifter: Lifts, x2d_BFJ2: Tensor) -> Tensor | None:
    """Which frames reach the network's end, bool (B, F), by the configured counts; None where nothing is pruned, and
    where tokens choose, since then each pass keeps its own."""
    selection = lifter.select(x2d_BFJ2)
    if selection is None or selection.guidance_BF is not None:
        return None
    kept_BN = selection.tcep_BN if selection.mgptp_BM is None else selection.mgptp_BM
    if kept_BN is None:
        return None
    return torch.zeros(x2d_BFJ2.shape[:2], dtype=torch.bool, device=x2d_BFJ2.device).scatter_(1, kept_BN, True)
