"""Everything that is measured beside the errors, worked out again by hand."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

import models
from ablate import metrics
from ablate.data.skeleton import BONES
from ablate.data.windows import Windows, evaluation
from ablate.evaluate.scores import CORE, NEAR_JOINTS
from ablate.sections import EvaluateConfig
from tests.guessing import FRAMES, MANY, Guess, actions, counted, guesses, plain_mean, run, shown, truth, value, views


@pytest.fixture(scope="module")
def on() -> Windows:
    return evaluation(views(), FRAMES)


class Flat(Guess):
    """One hypothesis is the truth's own depth and place, the others are shifted in the picture."""

    def __init__(self, windows: Windows) -> None:
        super().__init__()
        self._truth = {tuple(x.flatten()[:4].tolist()): t for x, t in self._pairs(windows)}

    @staticmethod
    def _pairs(windows: Windows) -> list[tuple[Tensor, Tensor]]:
        batch = windows.batch(range(len(windows)))
        return list(zip(torch.from_numpy(batch.x2d_BFJ2), torch.from_numpy(batch.x3d_BFJ3), strict=True))

    def lift(self, x2d_BFJ2: Tensor, *, noise: Tensor, **how: object) -> Tensor:
        right = torch.stack([self._truth[tuple(x.flatten()[:4].tolist())] for x in x2d_BFJ2])
        shift = 0.05 * torch.tensor([[0.0, 0, 0], [1, 0, 0], [-1, 1, 0]])[:, None, None]
        moved_BHFJ3 = right[:, None] + shift * (torch.arange(17) % 3 > 0)[:, None]
        return moved_BHFJ3[:, None].expand(-1, len(noise), -1, -1, -1, -1)


def test_reprojection_finds_the_hypothesis_that_fits_the_picture(on: Windows) -> None:
    found = run(Flat(on), on)
    assert value(found, "mpjpe", "jpma_true_root") < 0.01 > value(found, "mpjpe", "j_best")
    assert value(found, "mpjpe", "jpma") < 0.5 * value(found, "mpjpe")
    assert value(found, "mpjpe", "reprojection_weighted") < 0.5 * value(found, "mpjpe")


@pytest.mark.parametrize("protocol", ["exact", "reference"])
def test_shares_of_near_joints_by_sequence_and_their_plain_mean(
    on: Windows, protocol: Literal["exact", "reference"]
) -> None:
    config = replace(MANY, protocol=protocol)
    found = run(Guess(), on, config, shares=True)
    counted_WF = counted(on, protocol)
    error_WFJ = 1000 * metrics.joint_errors(guesses(on).mean(dim=1), truth(on))[..., NEAR_JOINTS].numpy()
    near_WF = 100 * (error_WFJ < 150).mean(axis=-1)
    area_WF = 100 * np.mean([(error_WFJ < t).mean(axis=-1) for t in range(0, 151, 5)], axis=0)
    for metric, share_WF in (("pck_150", near_WF), ("auc", area_WF)):
        for action in np.unique(actions(on)):
            own = counted_WF & (actions(on) == action)[:, None]
            expected = share_WF[own].mean()
            assert value(found, metric, protocol=protocol, action=action) == pytest.approx(expected, rel=1e-5)
        whole = share_WF[counted_WF].mean() if protocol == "exact" else plain_mean(on, share_WF, counted_WF)
        assert value(found, metric, protocol=protocol) == pytest.approx(whole, rel=1e-5)
    assert {m.unit for m in found.metrics if m.metric in ("pck_150", "auc")} == {"%"}
    assert not {m.metric for m in run(Guess(), on).metrics} & {"pck_150", "auc"}


def test_what_else_is_measured_of_the_mean_pose(on: Windows) -> None:
    found, pose_WFJ3 = run(Guess(), on), guesses(on).mean(dim=1)
    counted_WF = on.counted_WF
    scaled = 1000 * metrics.n_mpjpe(pose_WFJ3, truth(on)).numpy()[counted_WF].mean()
    assert value(found, "n_mpjpe") == pytest.approx(scaled, rel=1e-5)
    three_WF = counted_WF[:, 2:] & counted_WF[:, 1:-1] & counted_WF[:, :-2]
    jerked = 1000 * metrics.acceleration_error(pose_WFJ3, truth(on)).numpy()[three_WF].mean()
    assert value(found, "acceleration_error") == pytest.approx(jerked, rel=1e-5)
    ends = np.array(BONES)
    length_WFN = np.linalg.norm(pose_WFJ3[:, :, ends[:, 0]] - pose_WFJ3[:, :, ends[:, 1]], axis=-1)
    varying = [length_WFN[w][counted_WF[w]].std(axis=0).mean() for w in range(len(on)) if counted_WF[w].any()]
    weights = counted_WF.sum(axis=1)[counted_WF.any(axis=1)]
    assert value(found, "bone_variation") == pytest.approx(1000 * np.average(varying, weights=weights), rel=1e-4)


def test_calibration_is_of_all_joints_but_the_root(on: Windows) -> None:
    config = replace(MANY, hypotheses=4)
    found, pose = run(Guess(), on, config), guesses(on, config)
    error_WFJ = metrics.joint_errors(pose.mean(dim=1), truth(on))[..., 1:].numpy()
    variance_WFJ = pose.double().var(dim=1).sum(dim=-1)[..., 1:].numpy()
    error, variance = error_WFJ[on.counted_WF].ravel(), variance_WFJ[on.counted_WF].ravel()
    expected = spearmanr(np.sqrt(variance), error).statistic
    assert value(found, "spread_correlation") == pytest.approx(expected, abs=0.01)
    ratio = math.sqrt((error.astype(float) ** 2).mean() / (5 / 4 * variance.mean()))
    assert value(found, "spread_ratio") == pytest.approx(ratio, rel=1e-4)
    means = [ratio_of(on, pose, action) for action in np.unique(actions(on))]
    assert value(found, "spread_ratio", protocol="reference") == pytest.approx(float(np.mean(means)), rel=1e-4)
    alone = run(Guess(), on, replace(MANY, hypotheses=1))
    assert not any(m.metric.startswith("spread") for m in alone.metrics)


def ratio_of(on: Windows, pose: Tensor, action: str) -> float:
    counted_WF = shown(on) & (actions(on) == action)[:, None]
    square = metrics.joint_errors(pose.mean(dim=1), truth(on))[..., 1:].double().square().numpy()[counted_WF].mean()
    return math.sqrt(square / (5 / 4 * pose.double().var(dim=1).sum(dim=-1)[..., 1:].numpy()[counted_WF].mean()))


def pruned(names: Sequence[str]) -> list[set[str]]:
    """Of these lifters the metrics that tell kept frames from others."""
    windows = evaluation(views()[:2], FRAMES)
    found = [
        run(models.build(name, "tiny", frames=FRAMES, width=16, seed=0), windows, EvaluateConfig()) for name in names
    ]
    return [{m.metric for m in one.metrics} & {"mpjpe_kept", "mpjpe_pruned"} for one in found]


def test_kept_and_pruned_frames_are_told_apart_where_frames_are_chosen() -> None:
    windows = evaluation(views()[:2], FRAMES)
    lifter = models.build("htp", "tiny", frames=FRAMES, width=16, seed=0)
    found = run(lifter, windows, EvaluateConfig())
    selection = lifter.select(torch.from_numpy(windows.batch(range(len(windows))).x2d_BFJ2))
    assert selection is not None
    assert selection.mgptp_BM is not None
    kept_WF = np.zeros(windows.counted_WF.shape, bool)
    np.put_along_axis(kept_WF, selection.mgptp_BM.numpy(), True, axis=1)
    kept, others = (windows.counted_WF & some for some in (kept_WF, ~kept_WF))
    parts = value(found, "mpjpe_kept") * kept.sum() + value(found, "mpjpe_pruned") * others.sum()
    assert parts / windows.counted_WF.sum() == pytest.approx(value(found, "mpjpe"))
    assert value(found, "mpjpe_kept") != value(found, "mpjpe_pruned")
    assert pruned(("htp", "d3dp", "hot")) == [{"mpjpe_kept", "mpjpe_pruned"}, set(), set()]


def test_every_aggregation_has_every_core_metric(on: Windows) -> None:
    found = run(Guess(), on)
    for protocol in ("exact", "reference"):
        there = {(m.metric, m.aggregation) for m in found.metrics if m.protocol == protocol and m.metric in CORE}
        assert there == {(metric, aggregation) for metric in CORE for aggregation in metrics.AGGREGATIONS}
