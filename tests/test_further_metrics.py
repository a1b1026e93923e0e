"""Shares of near joints as 3DHP counts them, bodies that stay one body, and whether spread predicts error."""

import json
import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from ablate import metrics
from ablate.data.dhp3 import ORDER
from ablate.data.skeleton import BONES, LEFT, RIGHT
from ablate.evaluate.scores import LEFT_BONES, NEAR_JOINTS, RIGHT_BONES
from tests.conftest import SHARED
from tests.reference import Numbers

SEQUENCES = tuple(f"TS{number}" for number in range(1, 7))
# Of the data set's order: all but pelvis, spine and head, in its own groups.
GROUPS = ((0,), (1,), (2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13))
ROOT = 14


@pytest.fixture(scope="module")
def numbers() -> Numbers:
    return Numbers("metrics")


def errors_mm(numbers: Numbers, sequence: str) -> Tensor:
    """Float64 (N, 17) of the valid frames, in millimetres throughout."""
    truth, valid = numbers[f"dhp/{sequence}/gt_mm"].double(), numbers[f"dhp/{sequence}/valid"].flatten().bool()
    return metrics.joint_errors(numbers[f"dhp/{sequence}/pred_mm"].double(), truth - truth[:, ROOT : ROOT + 1])[valid]


def close(value: Tensor, expected: Tensor, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(value, expected.double(), atol=tolerance, rtol=0)


def test_pck_and_auc_agree_with_the_datasets_own_rules(numbers: Numbers) -> None:
    joints = [joint for group in GROUPS for joint in group]
    errors = [errors_mm(numbers, sequence) for sequence in SEQUENCES]
    pck, auc = (torch.stack([share(e[:, joints]).mean() for e in errors]) for share in (metrics.pck, metrics.auc))
    close(pck, numbers["dhp/pck"])
    close(auc, numbers["dhp/auc"])
    mpjpe = torch.stack([e.mean() for e in errors])
    close(mpjpe, numbers["dhp/mpjpe_mm"])
    close(torch.stack([pck.mean(), auc.mean(), mpjpe.mean()]), numbers["dhp/mean_over_sequences"])
    pooled = torch.cat(errors)
    shares = [metrics.pck(pooled[:, joints]).mean(), metrics.auc(pooled[:, joints]).mean()]
    close(torch.stack([*shares, pooled.mean()]), numbers["dhp/pooled"])


def test_each_group_of_joints_agrees_too(numbers: Numbers) -> None:
    for sequence in SEQUENCES:
        errors = errors_mm(numbers, sequence)
        for name, share in (("pck", metrics.pck), ("auc", metrics.auc)):
            found = torch.stack([share(errors[:, list(group)]).mean() for group in GROUPS])
            close(found, numbers[f"dhp/{sequence}/{name}_groups"])


def test_in_metres_the_program_comes_as_near_as_errors_on_a_threshold_let_it(numbers: Numbers) -> None:
    """The order of joints, and which of them count, as evaluation has them."""
    assert len(NEAR_JOINTS) == 14
    for i, sequence in enumerate(SEQUENCES):
        error_m = errors_mm(numbers, sequence)[:, ORDER].float() / 1000
        error_mm = 1000 * error_m[:, NEAR_JOINTS]
        assert abs(float(metrics.pck(error_mm).mean()) - float(numbers["dhp/pck"][i])) < 0.7
        assert abs(float(metrics.auc(error_mm).mean()) - float(numbers["dhp/auc"][i])) < 0.07


@pytest.mark.skipif(not (SHARED / "fixtures").is_dir(), reason="no shared fixtures here")
def test_joints_and_groups_are_the_datasets() -> None:
    told = json.loads((SHARED / "fixtures" / "3dhp_skeleton.json").read_text())
    assert tuple(tuple(group) for group in told["pck_groups"].values()) == GROUPS
    assert {told["to_h36m_order"][joint] for joint in NEAR_JOINTS} == {joint for group in GROUPS for joint in group}


def test_thresholds_are_strict() -> None:
    on, below = torch.tensor([150.0, 150.0]), torch.tensor([149.999, 0.0])
    assert (float(metrics.pck(on)), float(metrics.pck(below))) == (0.0, 100.0)
    counted = {0.0: 30, 4.999: 30, 5.0: 29, 149.0: 1, 145.0: 1, 144.9: 2, 150.0: 0, 1e6: 0}
    for error, thresholds in counted.items():
        expected = sum(error < t for t in range(0, 151, 5))
        assert thresholds == expected
        assert float(metrics.auc(torch.tensor([error], dtype=torch.float64))) == pytest.approx(100 * expected / 31)


def test_bones_that_keep_their_length_do_not_vary() -> None:
    generator = torch.Generator().manual_seed(0)
    pose_J3 = torch.randn(17, 3, generator=generator, dtype=torch.float64)
    turn_F33 = torch.linalg.qr(torch.randn(9, 3, 3, generator=generator, dtype=torch.float64)).Q
    rigid_FJ3 = pose_J3 @ turn_F33
    everywhere = torch.ones(9, dtype=torch.bool)
    assert float(metrics.bone_variation(rigid_FJ3, BONES, everywhere)) < 1e-12
    growing_FJ3 = torch.linspace(1, 2, 9, dtype=torch.float64)[:, None, None] * pose_J3
    length_N = (pose_J3[[a for a, _ in BONES]] - pose_J3[[b for _, b in BONES]]).norm(dim=-1)
    found = metrics.bone_variation(growing_FJ3, BONES, everywhere)
    expected = float(length_N.mean()) * float(np.linspace(1, 2, 9).std())
    assert float(found) == pytest.approx(expected)
    some = torch.tensor([True, True, True, *[False] * 6])
    torch.testing.assert_close(
        metrics.bone_variation(growing_FJ3, BONES, some), metrics.bone_variation(growing_FJ3[:3], BONES, some[:3])
    )
    assert float(metrics.bone_variation(growing_FJ3, BONES, ~everywhere)) == 0


def test_left_and_right_bones_are_each_others_mirror() -> None:
    assert {joint for bone in LEFT_BONES for joint in bone} >= set(LEFT)
    assert {joint for bone in RIGHT_BONES for joint in bone} >= set(RIGHT)
    assert set(LEFT_BONES) | set(RIGHT_BONES) <= set(BONES)
    pose_FJ3 = torch.randn(3, 17, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for left, right in zip(LEFT, RIGHT_IN_ORDER, strict=True):
        pose_FJ3[:, right] = pose_FJ3[:, left] * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    pose_FJ3[:, MIDDLE, 0] = 0
    assert metrics.asymmetry(pose_FJ3, LEFT_BONES, RIGHT_BONES).max() < 1e-12
    pose_FJ3[:, 6] += 5 * (pose_FJ3[:, 6] - pose_FJ3[:, 5])  # the left shin, six times as long
    shin_F = (pose_FJ3[:, 3] - pose_FJ3[:, 2]).norm(dim=-1)
    torch.testing.assert_close(metrics.asymmetry(pose_FJ3, LEFT_BONES, RIGHT_BONES), 5 * shin_F / len(LEFT_BONES))


RIGHT_IN_ORDER = (1, 2, 3, 14, 15, 16)
MIDDLE = [0, 7, 8, 9, 10]


def counts(first: Tensor, second: Tensor) -> Tensor:
    size = metrics.bins(torch.tensor([1e9])).item() + 1
    place = metrics.bins(first) * size + metrics.bins(second)
    return torch.bincount(place, minlength=int(size) ** 2).view(int(size), int(size))


def test_rank_correlation_from_counts_is_spearmans() -> None:
    generator = torch.Generator().manual_seed(2)
    base = torch.randn(20_000, generator=generator)
    for share in (0.0, 0.3, 1.0, 5.0):
        first = 0.05 * torch.exp(base)
        second = 0.02 * torch.exp((share * base + torch.randn(base.shape, generator=generator)) / (1 + share))
        found = metrics.rank_correlation(counts(first, second))
        assert found == pytest.approx(spearmanr(first, second).statistic, abs=5e-3)
    third = torch.arange(1, 6) / 100  # in bins of their own: exactly the same
    assert metrics.rank_correlation(counts(third, third.flip(0))) == pytest.approx(-1.0)
    assert math.isnan(metrics.rank_correlation(counts(third, torch.ones(5))))


def test_exchangeable_hypotheses_are_calibrated_whatever_their_number() -> None:
    """The truth is one more draw: then the ratio is one; hypotheses half as wide are overconfident."""
    generator = torch.Generator().manual_seed(3)
    truth = torch.randn(400, 17, 3, generator=generator)
    for hypotheses in (2, 5, 20):
        draws = torch.randn(hypotheses, 400, 17, 3, generator=generator)
        for width, expected in ((1.0, 1.0), (0.5, math.sqrt((1 + 0.25 / hypotheses) / (0.25 * (1 + 1 / hypotheses))))):
            pose = width * draws
            square = float(metrics.joint_errors(pose.mean(dim=0), truth).square().mean())
            found = metrics.spread_ratio(square, float(metrics.spread(pose).mean()), hypotheses)
            assert found == pytest.approx(expected, rel=0.03)
