"""How wrong a lifter is on a split: every counted frame once, overall and by action, at every step, by aggregation.

Legend: W windows, B windows of a batch, K denoising steps, H hypotheses, F frames, J joints, A values of a joint that
are diffused, M pairs of a metric and an aggregation, G groups (all windows together, then each action). Errors are
metres inside, millimetres in what is returned.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ablate import metrics, seeds
from ablate.data.arrays import Array
from ablate.data.skeleton import NAMES
from ablate.data.windows import Batch, Index, Mask, Windows
from ablate.errors import NotFinite
from ablate.metrics import AGGREGATIONS, ORACLES, Aggregation
from ablate.records import Metric
from ablate.sections import BranchConfig, EvaluateConfig
from ablate.smoothing import low_pass

MM = 1000.0
UNITS = {"mpjpe": "mm", "p_mpjpe": "mm", "mpjve": "mm/frame"}
SPANS = {"mpjpe": 1, "p_mpjpe": 1, "mpjve": 2}  # how many frames, all of them counted, one error looks at
Row = tuple[str, Aggregation]


class Lifts(Protocol):
    """What evaluation asks of a lifter, which is an nn.Module; ``channels`` values of each joint are diffused."""

    @property
    def channels(self) -> int: ...

    def lift(
        self,
        x2d_BFJ2: Tensor,
        *,
        hypotheses: int,
        steps: int,
        flip: bool,
        eta: float,
        noise: Tensor,
        branch: BranchConfig | None,
    ) -> Tensor: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """``metrics``, what can be deployed before oracles; and of each window in ``windows`` the MPJPE in millimetres over
    its counted frames (last step, aggregation ``mean``), float32 (W,), and how many these are, int32 (W,)."""

    metrics: tuple[Metric, ...]
    windows: Windows
    window_mpjpe_mm: npt.NDArray[np.float32]
    frames: npt.NDArray[np.int32]


def evaluate(
    lifter: Lifts,
    windows: Windows,
    config: EvaluateConfig,
    *,
    seed: int,
    split: str,
    input: str,
    device: torch.device,
) -> Evaluation:
    """Lift ``windows`` and compare with the truth; ``lifter`` is left on ``device`` in evaluation mode.

    MPJPE and P-MPJPE average over counted frames, MPJVE over pairs of consecutive counted frames within a window (the
    step from one window to the next belongs to neither). Each window's noise has an address of its own, so neither the
    batch nor the other windows change a result. With one hypothesis there is nothing to choose: only ``mean`` is
    given. Raises NotFinite when a pose isn't finite.
    """
    counts = (config.hypotheses,)
    (found,) = evaluate_counts(lifter, windows, config, counts, seed=seed, split=split, input=input, device=device)
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
    rows = {count: _rows(count) for count in counts}
    sums = {count: np.empty((len(rows[count]), len(windows), config.steps)) for count in counts}
    for start in range(0, len(windows), config.batch):
        chosen_B = np.arange(start, min(start + config.batch, len(windows)))
        batch = windows.batch(chosen_B)
        with torch.inference_mode():
            pose_BKHFJ3 = lifter.lift(
                torch.from_numpy(batch.x2d_BFJ2).to(device),
                hypotheses=config.hypotheses,
                steps=config.steps,
                flip=config.flip,
                eta=config.eta,
                noise=torch.from_numpy(draws(windows, chosen_B, config, seed, lifter.channels)).to(device),
                branch=config.branch,
            )
            if not bool(pose_BKHFJ3.isfinite().all()):
                raise NotFinite(f"{split}: the lifter's poses are not finite; its weights or the 2D input are damaged")
            if config.low_pass is not None:
                pose_BKHFJ3 = low_pass(pose_BKHFJ3, config.low_pass)
            for count in counts:
                sums[count][:, chosen_B] = _sums(pose_BKHFJ3[:, :, :count], batch, rows[count]).cpu().numpy()
    return [
        _evaluation(windows, rows[count], sums[count], replace(config, hypotheses=count), split, input)
        for count in counts
    ]


def _rows(hypotheses: int) -> list[Row]:
    aggregations = AGGREGATIONS if hypotheses > 1 else AGGREGATIONS[:1]
    return [(metric, aggregation) for aggregation in aggregations for metric in UNITS]


def _evaluation(
    windows: Windows, rows: Sequence[Row], sums_MWK: Array, config: EvaluateConfig, split: str, input: str
) -> Evaluation:
    frames_W = windows.counted_WF.sum(axis=1)
    return Evaluation(
        metrics=tuple(_averages(windows, rows, sums_MWK, config, split, input)),
        windows=windows,
        window_mpjpe_mm=(MM * sums_MWK[0, :, -1] / np.maximum(frames_W, 1)).astype(np.float32),
        frames=frames_W.astype(np.int32),
    )


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


def _counted(counted_BF: Mask, span: int) -> Mask:
    """Where ``span`` consecutive frames all count, (B, F) -> (B, F - span + 1)."""
    places = counted_BF.shape[1] - span + 1
    counted: Mask = np.logical_and.reduce([counted_BF[:, first : first + places] for first in range(span)])
    return counted


def _sums(pose_BKHFJ3: Tensor, batch: Batch, rows: Sequence[Row]) -> Tensor:
    """Each window's sum of errors over what counts in it, float64 (M, B, K), on the poses' device."""
    device, steps = pose_BKHFJ3.device, pose_BKHFJ3.shape[1]
    truth_BKFJ3 = torch.from_numpy(batch.x3d_BFJ3).to(device).unsqueeze(1).expand(-1, steps, -1, -1, -1)
    errors = metrics.errors(pose_BKHFJ3, truth_BKFJ3, list(dict.fromkeys(aggregation for _, aggregation in rows)))
    counted = {
        span: torch.from_numpy(_counted(batch.counted_BF, span)).to(device).unsqueeze(1) for span in SPANS.values()
    }
    return torch.stack([(errors[row].double() * counted[SPANS[row[0]]]).sum(dim=-1) for row in rows])


def _averages(
    windows: Windows, rows: Sequence[Row], sums_MWK: Array, config: EvaluateConfig, split: str, input: str
) -> Iterator[Metric]:
    """Each row's mean over all windows and over those of each action, in the metric's unit."""
    action_V = [action_name(view.action) for view in windows.views]
    actions = sorted({action_V[view] for view in windows.view_W})
    action_W = np.array(action_V)[windows.view_W]
    member_GW = np.stack([np.ones(len(windows)), *(action_W == action for action in actions)])
    count_GM = np.stack([member_GW @ _counted(windows.counted_WF, SPANS[metric]).sum(axis=1) for metric, _ in rows], 1)
    sums_MGK = member_GW @ sums_MWK
    for group, action in enumerate(["", *actions]):
        for row, (metric, aggregation) in enumerate(rows):
            if count_GM[group, row] == 0:
                continue
            for step, total in enumerate(sums_MGK[row, group], start=1):
                yield Metric(
                    metric=metric,
                    value=float(MM * total / count_GM[group, row]),
                    unit=UNITS[metric],
                    split=split,
                    input=input,
                    aggregation=aggregation,
                    oracle=aggregation in ORACLES,
                    protocol=config.protocol,
                    hypotheses=config.hypotheses,
                    step=step,
                    steps=config.steps,
                    action=action,
                )


def action_name(action: str) -> str:
    """The action without its trial number: 'Sitting Down 2' -> 'Sitting Down'."""
    return re.sub(r"\s+\d+$", "", action)
