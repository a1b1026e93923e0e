"""Two ways to count the same poses, and everything that is measured beside the errors: all worked out again by hand."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

import models
from ablate import metrics
from ablate.data.arrays import Array
from ablate.data.config import DataConfig
from ablate.data.film import film
from ablate.data.skeleton import BONES
from ablate.data.windows import Index, Mask, View, Windows, evaluation
from ablate.evaluate import Evaluation, draws, evaluate
from ablate.evaluate.protocols import ORACLE_BATCH
from ablate.evaluate.scores import CORE, NEAR_JOINTS
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


@pytest.fixture(scope="module")
def on() -> Windows:
    return evaluation(views(), FRAMES)


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


def test_the_reference_counts_overlaps_again_and_averages_actions(on: Windows) -> None:
    found, pose_WFJ3 = run(Guess(), on), guesses(on).mean(dim=1)
    error_WF = 1000 * metrics.mpjpe(pose_WFJ3, truth(on)).numpy()
    assert shown(on).sum() > on.counted_WF.sum() == 2 * sum(LENGTHS.values())
    expected = plain_mean(on, error_WF, shown(on))
    assert value(found, "mpjpe", protocol="reference") == pytest.approx(expected, rel=1e-5)
    assert value(found, "mpjpe") == pytest.approx(error_WF[on.counted_WF].mean(), rel=1e-5)
    assert value(found, "mpjpe") != pytest.approx(expected, rel=1e-4)
    speed_WF = 1000 * metrics.mpjve(pose_WFJ3, truth(on)).numpy()
    pairs_WF = shown(on)[:, 1:] & shown(on)[:, :-1]
    assert value(found, "mpjve", protocol="reference") == pytest.approx(plain_mean(on, speed_WF, pairs_WF), rel=1e-5)


def test_the_configured_protocol_comes_first_and_is_followed(on: Windows) -> None:
    exact, reference = run(Guess(), on), run(Guess(), on, replace(MANY, protocol="reference"))
    assert (exact.metrics[0].protocol, reference.metrics[0].protocol) == ("exact", "reference")
    shared = {m for m in exact.metrics if m.step == m.steps and not m.action}
    assert shared == {m for m in reference.metrics if m.step == m.steps and not m.action}  # the same pass, both ways
    assert {m.protocol for m in reference.metrics if m.action or m.step < m.steps} == {"reference"}
    by_action = [value(reference, "mpjpe", protocol="reference", action=name) for name in np.unique(actions(on))]
    assert value(reference, "mpjpe", protocol="reference") == pytest.approx(np.mean(by_action))
    np.testing.assert_array_equal(exact.window_mpjpe_mm, reference.window_mpjpe_mm)
    np.testing.assert_array_equal(exact.frames, reference.frames)


def test_frames_that_are_not_valid_count_nowhere() -> None:
    rng = np.random.default_rng(0)
    masks = [rng.random(len(view)) < 0.7 for view in views()]
    windows = evaluation([replace(view, valid_T=m) for view, m in zip(views(), masks, strict=True)], FRAMES)
    found, error_WF = run(Guess(), windows), 1000 * metrics.mpjpe(guesses(windows).mean(dim=1), truth(windows)).numpy()
    valid_WF = shown(windows).copy()
    for window, (view, start) in enumerate(zip(windows.view_W, windows.start_W, strict=True)):
        for frame in np.flatnonzero(valid_WF[window]):
            valid_WF[window, frame] = masks[view][start + frame]
    assert 0.5 < valid_WF.sum() / shown(windows).sum() < 0.9
    assert value(found, "mpjpe") == pytest.approx(error_WF[valid_WF & windows.counted_WF].mean(), rel=1e-5)
    expected = plain_mean(windows, error_WF, valid_WF)
    assert value(found, "mpjpe", protocol="reference") == pytest.approx(expected, rel=1e-5)


def batches(on: Windows) -> list[Index]:
    """Windows that share a hypothesis: up to four of a view, in their order."""
    found: list[Index] = []
    for view in range(len(on.views)):
        own = np.flatnonzero(on.view_W == view)
        own = own[np.argsort(on.start_W[own])].astype(np.int64)
        found += [own[first : first + ORACLE_BATCH] for first in range(0, len(own), ORACLE_BATCH)]
    return found


def shared_hypothesis(on: Windows, counted_WF: Mask, score_WHF: Array, error_WHX: Array, places_WX: Mask) -> Array:
    """(W, X) of what each batch's best hypothesis by ``score`` has, NaN where nothing counts."""
    kept_WX = np.full(places_WX.shape, np.nan)
    for own in batches(on):
        best = (score_WHF[own] * counted_WF[own][:, None]).sum(axis=(0, 2)).argmin()
        kept_WX[own] = np.where(places_WX[own], error_WHX[own, best], np.nan)
    return kept_WX


@pytest.mark.parametrize("protocol", ["exact", "reference"])
def test_one_hypothesis_serves_a_batch_whatever_the_batch_of_the_run(on: Windows, protocol: str) -> None:
    assert max(map(len, batches(on))) == ORACLE_BATCH < np.bincount(on.view_W).max()
    counted_WF = counted(on, protocol)
    pose, right = guesses(on), truth(on)[:, None]
    score, aligned = metrics.mpjpe(pose, right).numpy(), metrics.mpjpe(metrics.align(pose, right), right).numpy()
    speed, pairs_WF = metrics.mpjve(pose, right).numpy(), counted_WF[:, 1:] & counted_WF[:, :-1]
    expected = {
        "mpjpe": shared_hypothesis(on, counted_WF, score, score, counted_WF),
        "p_mpjpe": shared_hypothesis(on, counted_WF, aligned, aligned, counted_WF),
        "mpjve": shared_hypothesis(on, counted_WF, score, speed, pairs_WF),
    }
    for config in (MANY, replace(MANY, batch=3)):
        found = run(Guess(), on, config)
        for metric, error_WX in expected.items():
            there = ~np.isnan(error_WX)
            mean = error_WX[there].mean() if protocol == "exact" else plain_mean(on, error_WX, there)
            assert value(found, metric, "p_best_batch", protocol) == pytest.approx(1000 * mean, rel=1e-5)
        per_pose = value(found, "mpjpe", "p_best", protocol)
        assert per_pose < value(found, "mpjpe", "p_best_batch", protocol)
    order_W = np.random.default_rng(1).permutation(len(on))
    mixed = replace(on, view_W=on.view_W[order_W], start_W=on.start_W[order_W], counted_WF=on.counted_WF[order_W])
    assert value(run(Guess(), mixed), "mpjpe", "p_best_batch") == pytest.approx(value(found, "mpjpe", "p_best_batch"))


def test_what_looks_at_reprojection_needs_every_camera() -> None:
    blind = views()
    blind[0] = replace(blind[0], camera=replace(blind[0].camera, intrinsic=(math.nan,) * 9))
    seeing, found = run(Guess(), evaluation(views(), FRAMES)), run(Guess(), evaluation(blind, FRAMES))
    lost = {m.aggregation for m in seeing.metrics} - {m.aggregation for m in found.metrics}
    assert lost == {"jpma", "jpma_true_root", "reprojection_weighted"}
    assert value(found, "mpjpe", "geometric_median") == value(seeing, "mpjpe", "geometric_median")


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
