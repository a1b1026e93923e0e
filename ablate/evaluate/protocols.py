"""Two ways to count the same poses, both from one pass: ``exact`` and ``reference``.

``exact``: every frame once, and every frame weighs the same.

``reference``: as the field's programs do since VideoPose3D, so that numbers can be compared with papers. Windows lie
end to end, the last one is moved back so that it ends with its recording, and all its frames count, those again that
the window before has counted; the overall value is the plain mean of the actions' means. What those programs do with a
recording that is shorter than a window differs; frames of padding are counted by neither protocol.

Legend: W windows, F frames, K denoising steps, H hypotheses, J joints, A actions.
"""

import re
from collections.abc import Iterator

import numpy as np
import torch

from ablate import metrics
from ablate.data.arrays import Array
from ablate.data.skeleton import NAMES
from ablate.data.windows import Index, Mask, Windows
from ablate.evaluate.calibration import Calibration
from ablate.evaluate.scores import CORE, FOLLOWED, SHARES, UNITS, Key, Score, Seen, measure
from ablate.metrics import AGGREGATIONS, ORACLES, Aggregation
from ablate.records import Metric
from ablate.sections import EvaluateConfig

PROTOCOLS = ("exact", "reference")
ORACLE_BATCH = 4
"""Windows of one recording that share a hypothesis under ``p_best_batch``: the batch that D3DP's evaluation has unless
told otherwise. It is no matter of ``evaluate.batch``, which must not change a result."""

SCALES = {"mm": 1000.0, "mm/frame": 1000.0, "mm/frame^2": 1000.0, "%": 1.0, "": 1.0}


def counted_frames(windows: Windows) -> dict[str, Mask]:
    """Which frames of each window each protocol counts, (W, F)."""
    return {"exact": windows.counted_WF, "reference": windows.every_frame()}


def action_name(action: str) -> str:
    """The action without its trial number: 'Sitting Down 2' -> 'Sitting Down'."""
    return re.sub(r"\s+\d+$", "", action)


class Tally:
    """Every window's sums for one number of hypotheses, and what they come to under each protocol."""

    def __init__(self, windows: Windows, config: EvaluateConfig) -> None:
        action_V = [action_name(view.action) for view in windows.views]
        self._config = config
        self._windows = windows
        self._actions = sorted({action_V[view] for view in windows.view_W})
        self._action_W = np.array([self._actions.index(action_V[view]) for view in windows.view_W], np.int64)
        self._sum_WK: dict[Key, Array] = {}
        self._count_W: dict[Key, Array] = {}
        self._joint_WJ = np.zeros((len(windows), len(NAMES)))
        some = config.hypotheses > 1
        self._calibration = {
            protocol: Calibration(len(self._actions), config.hypotheses) for protocol in PROTOCOLS if some
        }

    def add(self, chosen_B: Index, pose_BKHFJ3: torch.Tensor, seen: Seen) -> None:
        """Measure these windows."""
        for key, score in measure(pose_BKHFJ3, seen).items():
            self._keep(key, chosen_B, score)
        self._add_joints(chosen_B, pose_BKHFJ3[:, -1].mean(dim=1), seen)
        for protocol, calibration in self._calibration.items():
            action_B = torch.from_numpy(self._action_W[chosen_B])
            calibration.add(pose_BKHFJ3[:, -1], seen, seen.counted[protocol], action_B)

    def _add_joints(self, chosen_B: Index, mean_BFJ3: torch.Tensor, seen: Seen) -> None:
        error_BFJ = metrics.joint_errors(mean_BFJ3, seen.truth_BFJ3).double()
        self._joint_WJ[chosen_B] = (error_BFJ * seen.counted["exact"].unsqueeze(-1)).sum(dim=1).cpu().numpy()

    def _keep(self, key: Key, chosen_B: Index, score: Score) -> None:
        sum_BK, count_B = (part.cpu().numpy() for part in score)
        if key not in self._sum_WK:
            self._sum_WK[key] = np.zeros((len(self._windows), sum_BK.shape[1]))
            self._count_W[key] = np.zeros(len(self._windows))
        self._sum_WK[key][chosen_B], self._count_W[key][chosen_B] = sum_BK, count_B

    def window_mpjpe_mm(self) -> Array:
        """Each window's MPJPE (W,) over its own frames, those of ``exact``: last step, mean pose."""
        key: Key = ("exact", "mpjpe", "mean")
        mean_W: Array = SCALES["mm"] * self._sum_WK[key][:, -1] / np.maximum(self._count_W[key], 1)
        return mean_W

    def joint_mm(self) -> Array:
        """The mean error of each joint (J,) over the frames of ``exact``: last step, mean pose."""
        mean_J: Array = SCALES["mm"] * self._joint_WJ.sum(axis=0) / max(int(self._windows.counted_WF.sum()), 1)
        return mean_J

    def metrics(self, split: str, input: str) -> Iterator[Metric]:
        """All numbers; those of the configured protocol first, overall before by action, deployable before oracles."""
        how = self._config
        for protocol in sorted(PROTOCOLS, key=lambda name: name != how.protocol):
            rows = self._rows(protocol)
            for group, action in enumerate(["", *self._actions]):
                for (metric, aggregation), means_GK in rows.items():
                    if action and not (protocol == how.protocol and _by_action(metric, aggregation)):
                        continue
                    for step, value in enumerate(means_GK[group], start=how.steps - means_GK.shape[1] + 1):
                        if not np.isnan(value):
                            yield Metric(
                                metric=metric,
                                value=float(value),
                                unit=UNITS[metric],
                                split=split,
                                input=input,
                                aggregation=aggregation,
                                oracle=aggregation in ORACLES,
                                protocol=protocol,
                                hypotheses=how.hypotheses,
                                step=step,
                                steps=how.steps,
                                action=action,
                            )

    def _rows(self, protocol: str) -> dict[tuple[str, Aggregation], Array]:
        """Each row's values (1 + A, K), overall and by action, or overall alone; deployable before oracles."""
        found = {key[1:]: self._means(key) for key in self._sum_WK if key[0] == protocol}
        found |= {(metric, "mean"): value for metric, value in self._calibrated(protocol).items()}
        return {(m, a): found[m, a] for a in AGGREGATIONS for m in UNITS if (m, a) in found}

    def _means(self, key: Key) -> Array:
        """A row's values (1 + A, K) in the metric's unit; NaN where nothing was counted."""
        member_GW = np.stack([np.ones(len(self._windows)), *self._members()])
        count_G1 = (member_GW @ self._count_W[key])[:, None]
        total_GK = SCALES[UNITS[key[1]]] * (member_GW @ self._sums(key))
        means_GK: Array = np.divide(total_GK, count_G1, out=np.full_like(total_GK, np.nan), where=count_G1 > 0)
        if key[0] == "reference":
            means_GK[0] = _plain_mean(means_GK[1:])
        return means_GK

    def _sums(self, key: Key) -> Array:
        """Each window's sums (W, K); for ``p_best_batch`` those of the hypothesis that its batch shares.

        As for the other oracles, P-MPJPE has a choice of its own, among aligned poses; MPJVE is of what was chosen by
        position.
        """
        protocol, metric, aggregation = key
        if aggregation != "p_best_batch":
            return self._sum_WK[key]
        by_WH = self._sum_WK[protocol, "p_mpjpe" if metric == "p_mpjpe" else "mpjpe", aggregation]
        best_W = metrics.best_of_batch(torch.from_numpy(by_WH), torch.from_numpy(_batches(self._windows)))
        sum_W1: Array = np.take_along_axis(self._sum_WK[key], best_W.numpy()[:, None], axis=1)
        return sum_W1

    def _members(self) -> Iterator[Array]:
        yield from (self._action_W == action for action in range(len(self._actions)))

    def _calibrated(self, protocol: str) -> dict[str, Array]:
        """As ``_means``, overall alone."""
        if protocol not in self._calibration:
            return {}
        calibration, actions = self._calibration[protocol], list(range(len(self._actions)))
        if protocol == "exact":
            return {metric: np.array([[value]]) for metric, value in calibration.numbers(actions).items()}
        each = [calibration.numbers([action]) for action in actions]
        names = dict.fromkeys(name for numbers in each for name in numbers)
        return {
            name: _plain_mean(np.array([[numbers[name]] for numbers in each if name in numbers]))[None]
            for name in names
        }


def _by_action(metric: str, aggregation: Aggregation) -> bool:
    return (metric in CORE and aggregation in FOLLOWED) or metric in SHARES


def _plain_mean(means_AK: Array) -> Array:
    """The mean over the actions that have a value, (A, K) -> (K,); NaN where none has."""
    there_AK = ~np.isnan(means_AK)
    total_K, count_K = np.where(there_AK, means_AK, 0).sum(axis=0), there_AK.sum(axis=0)
    mean_K: Array = np.divide(total_K, count_K, out=np.full_like(total_K, np.nan), where=count_K > 0)
    return mean_K


def _batches(windows: Windows) -> Index:
    """Which batch of ORACLE_BATCH windows, one after the other of the same view, each window belongs to, (W,)."""
    order_W = np.lexsort((windows.start_W, windows.view_W))
    view_W = windows.view_W[order_W]
    place_W = np.arange(len(windows)) - np.searchsorted(view_W, view_W)
    batch_W = np.empty(len(windows), np.int64)
    batch_W[order_W] = np.cumsum(place_W % ORACLE_BATCH == 0) - 1
    return batch_W
