"""The metrics against the field's reference programs, and where those are silent: degenerate poses, batching, masks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ablate import metrics
from ablate.metrics import AGGREGATIONS, Aggregation

FIXTURE = Path(__file__).parent / "fixtures" / "metrics.npz"
TOLERANCE_M = 1e-6  # 0.001 mm, as the fixtures' notes ask for


class Reference:
    """Poses of three windows, two steps, four hypotheses, nine frames, and what the reference programs say of them."""

    def __init__(self) -> None:
        with np.load(FIXTURE, allow_pickle=False) as file:
            self.arrays = {name: torch.from_numpy(file[name]) for name in file.files if file[name].dtype != np.int64}
        self.pose_BKHFJC = self.arrays["pred"]
        self.truth_BFJC = self.arrays["gt"]
        self.truth_BKFJC = self.truth_BFJC[:, None].expand(-1, 2, -1, -1, -1)

    def __getitem__(self, name: str) -> Tensor:
        return self.arrays[name]


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference()


def close(value: Tensor, expected: Tensor, tolerance: float = TOLERANCE_M) -> None:
    torch.testing.assert_close(value, expected, atol=tolerance, rtol=0)


def over_windows(value_BKF: Tensor) -> Tensor:
    return value_BKF.mean(dim=(0, -1))


def test_each_hypothesis_agrees_with_the_reference(reference: Reference) -> None:
    truth = reference.truth_BFJC[:, None, None]
    close(metrics.mpjpe(reference.pose_BKHFJC, truth).mean(dim=(0, -1)), reference["per_hyp/mpjpe"])
    aligned = metrics.align(reference.pose_BKHFJC, truth)
    close(metrics.mpjpe(aligned, truth), reference["p2/per_frame"])
    close(metrics.mpjpe(aligned, truth).mean(dim=(0, -1)), reference["per_hyp/p_mpjpe"])
    speed = metrics.mpjve(reference.pose_BKHFJC, truth)
    close(speed.mean(dim=-1), reference["per_hyp/velocity_per_window"])
    close(speed.mean(dim=(0, -1)), reference["per_hyp/velocity"])


@pytest.mark.parametrize(
    ("aggregation", "name"), [("mean", "P_Agg"), ("p_best", "P_Best_per_frame"), ("j_best", "J_Best")]
)
def test_aggregations_agree_with_the_reference(reference: Reference, aggregation: Aggregation, name: str) -> None:
    found = metrics.errors(reference.pose_BKHFJC, reference.truth_BKFJC, AGGREGATIONS)
    close(over_windows(found["mpjpe", aggregation]), reference[name])
    close(over_windows(found["p_mpjpe", aggregation]), reference[f"p2/{name}"])


def test_the_mean_pose_agrees_with_the_reference(reference: Reference) -> None:
    close(metrics.aggregate(reference.pose_BKHFJC, reference.truth_BKFJC, "mean"), reference["p_agg/pose"])


def test_alignment_agrees_with_the_reference_in_float64(reference: Reference) -> None:
    """Exact similarities, mirrored poses (a reflection must be refused), nearly flat ones, ordinary ones."""
    pose, truth = reference["procrustes/pred"], reference["procrustes/gt"]
    errors = metrics.mpjpe(metrics.align(pose, truth), truth)
    close(errors, reference["procrustes/per_frame"], 1e-9)
    close(errors.mean(), reference["procrustes/mean"], 1e-9)
    in_float32 = metrics.mpjpe(metrics.align(pose.float(), truth.float()), truth.float())
    close(in_float32.double(), reference["procrustes/per_frame"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_alignment_survives_degenerate_poses(dtype: torch.dtype) -> None:
    truth = torch.randn(1, 17, 3, generator=torch.Generator().manual_seed(0), dtype=dtype)
    ramp = torch.arange(17, dtype=dtype)[:, None]
    line, point, tiny = ramp * torch.tensor([1.0, 0, 0], dtype=dtype), torch.zeros(17, 3, dtype=dtype), truth[0] * 1e-12
    poses = torch.stack([point, point + 3, line, tiny, torch.cat([ramp, ramp**2, 0 * ramp], dim=1)])
    errors = metrics.mpjpe(metrics.align(poses, truth), truth)
    assert torch.isfinite(errors).all()
    spread = metrics.mpjpe(truth.mean(dim=-2, keepdim=True).expand_as(truth), truth)
    torch.testing.assert_close(errors[:2], spread.expand(2))  # only shifted: the error is the truth's own spread
    assert errors[3] < 1e-5  # however small, it is the truth scaled
    still = metrics.align(truth, torch.zeros_like(truth))
    torch.testing.assert_close(still, torch.zeros_like(truth))


def test_alignment_undoes_a_similarity_and_refuses_a_mirror() -> None:
    generator = torch.Generator().manual_seed(1)
    truth = torch.randn(50, 17, 3, generator=generator, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(50, 3, 3, generator=generator, dtype=torch.float64)).Q
    turn = turn * torch.linalg.det(turn)[:, None, None]
    moved = 0.3 * truth @ turn + 5
    torch.testing.assert_close(metrics.align(moved, truth), truth)
    mirrored = moved * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    assert metrics.mpjpe(metrics.align(mirrored, truth), truth).min() > 0.1


def test_oracles_choose_by_frame_and_by_joint() -> None:
    generator = torch.Generator().manual_seed(2)
    pose, truth = torch.randn(4, 5, 17, 3, generator=generator), torch.randn(5, 17, 3, generator=generator)
    errors_HFJ = (pose - truth).norm(dim=-1)
    by_frame = metrics.aggregate(pose, truth, "p_best")
    by_joint = metrics.aggregate(pose, truth, "j_best")
    for frame in range(5):
        chosen = int(errors_HFJ[:, frame].mean(dim=-1).argmin())
        assert torch.equal(by_frame[frame], pose[chosen, frame])
        for joint in range(17):
            assert torch.equal(by_joint[frame, joint], pose[int(errors_HFJ[:, frame, joint].argmin()), frame, joint])
    found = metrics.errors(pose, truth, AGGREGATIONS)
    assert found["mpjpe", "j_best"].mean() < found["mpjpe", "p_best"].mean() < errors_HFJ.mean()


def test_an_oracles_motion_is_the_motion_of_the_poses_it_chose() -> None:
    """Two hypotheses move as the truth does, each is the nearer one in turn: position agrees, the jumps must show."""
    truth = torch.zeros(4, 17, 3)
    near, far = torch.full((17, 3), 0.1), torch.full((17, 3), -0.2)
    pose = torch.stack([torch.stack([near, far, near, far]), torch.stack([far, -near, far, -near])])
    found = metrics.errors(pose, truth, ("p_best",))
    assert float(found["mpjpe", "p_best"].mean()) == pytest.approx(0.1 * 3**0.5)
    assert float(found["mpjve", "p_best"].mean()) == pytest.approx(0.2 * 3**0.5)


def test_one_hypothesis_needs_no_choice_and_windows_do_not_mix() -> None:
    generator = torch.Generator().manual_seed(3)
    pose, truth = torch.randn(2, 3, 4, 6, 17, 3, generator=generator), torch.randn(2, 1, 6, 17, 3, generator=generator)
    together = metrics.errors(pose, truth.expand(-1, 3, -1, -1, -1), AGGREGATIONS)
    apart = metrics.errors(pose[1, 2], truth[1, 0], AGGREGATIONS)
    single = metrics.errors(pose[:, :, :1], truth, AGGREGATIONS)
    for (metric, aggregation), values in together.items():
        assert values.shape == (2, 3, 5 if metric == "mpjve" else 6)
        torch.testing.assert_close(values[1, 2], apart[metric, aggregation])
        torch.testing.assert_close(single[metric, aggregation], single[metric, "mean"])
