"""Two ways to count the same poses, worked out again by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ablate import metrics
from ablate.data.arrays import Array
from ablate.data.windows import Index, Mask, Windows, evaluation
from ablate.evaluate.protocols import ORACLE_BATCH
from tests.guessing import (
    FRAMES,
    LENGTHS,
    MANY,
    Guess,
    actions,
    counted,
    guesses,
    plain_mean,
    run,
    shown,
    truth,
    value,
    views,
)


@pytest.fixture(scope="module")
def on() -> Windows:
    return evaluation(views(), FRAMES)


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
