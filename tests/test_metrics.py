"""The metrics against the field's reference programs, and where those are silent: degenerate poses, batching, masks."""

import pytest
import torch
from torch import Tensor

from ablate import metrics, placement
from ablate.metrics import Aggregation, Root
from tests.reference import Numbers

TOLERANCE_M = 1e-6  # 0.001 mm, as the fixtures' notes ask for
OF_POSES: tuple[Aggregation, ...] = tuple(name for name in metrics.AGGREGATIONS if name != "p_best_batch")


class Reference(Numbers):
    """Poses of three windows, two steps, four hypotheses, nine frames, and what the reference programs say of them."""

    def __init__(self) -> None:
        super().__init__("metrics")
        self.pose_BKHFJC = self["pred"]
        self.truth_BFJC = self["gt"]
        self.truth_BKFJC = self.truth_BFJC[:, None].expand(-1, 2, -1, -1, -1)

    def reprojected(self) -> Tensor:
        """(B, K, H, F, J, 2), the root being where it truly is."""
        return placement.project(self.pose_BKHFJC + self["root"][:, None, None], self["camera"])

    def reprojection(self) -> dict[Root, Tensor]:
        apart = self.reprojected() - self["inputs_2d"][:, None, None]
        return {"true": apart.norm(dim=-1)}


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference()


def close(value: Tensor, expected: Tensor, tolerance: float = TOLERANCE_M) -> None:
    torch.testing.assert_close(value, expected, atol=tolerance, rtol=0)


def over_windows(value_BKF: Tensor) -> Tensor:
    return value_BKF.mean(dim=(0, -1))


def test_each_hypothesis_agrees_with_the_reference(reference: Reference) -> None:
    pose, truth = reference.pose_BKHFJC, reference.truth_BFJC[:, None, None]
    close(metrics.mpjpe(pose, truth).mean(dim=(0, -1)), reference["per_hyp/mpjpe"])
    close(metrics.n_mpjpe(pose, truth).mean(dim=(0, -1)), reference["per_hyp/n_mpjpe"])
    weight_J = reference["joint_weights"]
    close(metrics.weighted_mpjpe(pose, truth, weight_J).mean(dim=(0, -1)), reference["per_hyp/weighted_mpjpe"])
    aligned = metrics.align(pose, truth)
    close(metrics.mpjpe(aligned, truth), reference["p2/per_frame"])
    close(metrics.mpjpe(aligned, truth).mean(dim=(0, -1)), reference["per_hyp/p_mpjpe"])
    speed = metrics.mpjve(pose, truth)
    close(speed.mean(dim=-1), reference["per_hyp/velocity_per_window"])
    close(speed.mean(dim=(0, -1)), reference["per_hyp/velocity"])


@pytest.mark.parametrize(
    ("aggregation", "name"),
    [("mean", "P_Agg"), ("p_best", "P_Best_per_frame"), ("j_best", "J_Best"), ("jpma_true_root", "J_Agg")],
)
def test_aggregations_agree_with_the_reference(reference: Reference, aggregation: Aggregation, name: str) -> None:
    found = metrics.errors(
        reference.pose_BKHFJC, reference.truth_BKFJC, [aggregation], reprojection=reference.reprojection()
    )
    close(over_windows(found["mpjpe", aggregation]), reference[name])
    close(over_windows(found["p_mpjpe", aggregation]), reference[f"p2/{name}"])


def test_aggregated_poses_agree_with_the_reference(reference: Reference) -> None:
    pose, truth, distances = reference.pose_BKHFJC, reference.truth_BKFJC, reference.reprojection()
    close(metrics.aggregate(pose, truth, "mean"), reference["p_agg/pose"])
    close(reference.reprojected(), reference["reprojected_2d"])
    close(metrics.aggregate(pose, truth, "jpma_true_root", distances)[..., 1:, :], reference["jpma/pose"][..., 1:, :])
    chosen = distances["true"].argmin(dim=2)
    assert torch.equal(chosen[..., 1:], reference["jpma/selected"][..., 1:])  # at the root all are equally near


@pytest.mark.parametrize(("name", "batches"), [("P_Best", [0, 0, 0]), ("P_Best_per_window", [0, 1, 2])])
def test_one_hypothesis_a_batch_agrees_with_the_reference(reference: Reference, name: str, batches: list[int]) -> None:
    pose, truth = reference.pose_BKHFJC, reference.truth_BFJC[:, None, None]
    for prefix, candidates in (("", pose), ("p2/", metrics.align(pose, truth))):
        errors_BKH = metrics.mpjpe(candidates, truth).mean(dim=-1)
        for step in range(2):
            best_B = metrics.best_of_batch(errors_BKH[:, step], torch.tensor(batches))
            value_B = errors_BKH[:, step].gather(1, best_B[:, None]).squeeze(1)
            expected = reference[prefix + name][..., step]
            close(value_B if name.endswith("window") else value_B.mean(), expected)


def test_frames_that_do_not_count_agree_with_the_reference(reference: Reference) -> None:
    """3DHP's functions: the batch's hypothesis is the best on the frames that count."""
    counted_BF = reference["valid_frame"].squeeze(-1).bool()
    assert not counted_BF.all()
    pose, truth = reference.pose_BKHFJC, reference.truth_BFJC[:, None, None]
    sums_BKH = (metrics.mpjpe(pose, truth) * counted_BF[:, None, None]).sum(dim=-1)
    mean_BKF = metrics.mpjpe(pose.mean(dim=2), reference.truth_BKFJC)
    for step in range(2):
        best_B = metrics.best_of_batch(sums_BKH[:, step], torch.zeros(3, dtype=torch.int64))
        value = sums_BKH[:, step].gather(1, best_B[:, None]).sum() / counted_BF.sum()
        close(value, reference["valid/P_Best"][step])
        close(mean_BKF[:, step][counted_BF].mean(), reference["valid/P_Agg"][step])


def test_alignment_agrees_with_the_reference_in_float64(reference: Reference) -> None:
    """Exact similarities, mirrored poses (a reflection must be refused), nearly flat ones, ordinary ones."""
    pose, truth = reference["procrustes/pred"], reference["procrustes/gt"]
    errors = metrics.mpjpe(metrics.align(pose, truth), truth)
    close(errors, reference["procrustes/per_frame"], 1e-9)
    close(errors.mean(), reference["procrustes/mean"], 1e-9)
    in_float32 = metrics.mpjpe(metrics.align(pose.float(), truth.float()), truth.float())
    close(in_float32.double(), reference["procrustes/per_frame"])
    scaled = metrics.n_mpjpe(pose - pose[:, :1], truth - truth[:, :1])
    close(scaled.mean(), reference["procrustes/n_mpjpe_root0"].mean(), 1e-9)


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
    found = metrics.errors(pose, truth, ("p_best", "j_best"))
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
    distance = torch.rand(2, 3, 4, 6, 17, generator=generator)
    whole: dict[Root, Tensor] = {"true": distance, "estimated": distance / 100}
    first: dict[Root, Tensor] = {root: values[:, :, :1] for root, values in whole.items()}
    one: dict[Root, Tensor] = {root: values[1, 2] for root, values in whole.items()}
    together = metrics.errors(pose, truth.expand(-1, 3, -1, -1, -1), OF_POSES, reprojection=whole)
    apart = metrics.errors(pose[1, 2], truth[1, 0], OF_POSES, reprojection=one)
    single = metrics.errors(pose[:, :, :1], truth, OF_POSES, reprojection=first)
    for (metric, aggregation), values in together.items():
        assert values.shape == (2, 3, 5 if metric == "mpjve" else 6)
        torch.testing.assert_close(values[1, 2], apart[metric, aggregation])
        torch.testing.assert_close(single[metric, aggregation], single[metric, "mean"])
    assert len({float(together["mpjpe", name].mean()) for name in OF_POSES}) == len(OF_POSES) - 1  # both roots agree


def test_what_needs_no_truth_does_not_see_it() -> None:
    """Another truth changes what oracles give and nothing else."""
    generator = torch.Generator().manual_seed(4)
    pose, truth = torch.randn(4, 5, 17, 3, generator=generator), torch.randn(5, 17, 3, generator=generator)
    distance: dict[Root, Tensor] = {"estimated": torch.rand(4, 5, 17, generator=generator)}
    for aggregation in OF_POSES:
        if aggregation != "jpma_true_root":  # its truth is the root's place
            same = torch.equal(*(metrics.aggregate(pose, t, aggregation, distance) for t in (truth, -truth)))
            assert same == (aggregation not in metrics.ORACLES), aggregation


def test_the_geometric_median_is_the_nearest_point_to_all() -> None:
    generator = torch.Generator().manual_seed(5)
    pose = torch.randn(5, 3, 17, 3, generator=generator, dtype=torch.float64)
    found = metrics.geometric_median(pose, rounds=2000)

    def total(point: Tensor) -> Tensor:
        return metrics.joint_errors(pose, point).sum(dim=0)

    for _ in range(20):
        moved = found + 1e-3 * torch.randn(found.shape, generator=generator, dtype=torch.float64)
        assert (total(moved) >= total(found) - 1e-9).all()
    assert (total(metrics.geometric_median(pose)) - total(found)).max() < 1e-2
    far = torch.cat([torch.zeros(4, 1, 1, 3), torch.full((1, 1, 1, 3), 100.0)])
    assert metrics.geometric_median(far).abs().max() < 1e-3 < float(far.mean(dim=0).max())  # one stray pulls the mean
    torch.testing.assert_close(metrics.geometric_median(pose[:2]), pose[:2].mean(dim=0))
    torch.testing.assert_close(metrics.geometric_median(pose[:1].expand(3, -1, -1, -1)), pose[0])  # all alike


def test_weighing_by_reprojection_lies_between_choosing_and_the_mean() -> None:
    generator = torch.Generator().manual_seed(6)
    pose, distance = torch.randn(4, 5, 17, 3, generator=generator), torch.rand(4, 5, 17, generator=generator)
    by_joint = pose.take_along_dim(distance.argmin(dim=0, keepdim=True)[..., None], dim=0).squeeze(0)
    torch.testing.assert_close(metrics.reprojection_weighted(pose, distance, 1e-6), by_joint)
    torch.testing.assert_close(metrics.reprojection_weighted(pose, distance, 1e6), pose.mean(dim=0), atol=1e-5, rtol=0)
    alike = metrics.reprojection_weighted(pose, torch.zeros_like(distance))
    torch.testing.assert_close(alike, pose.mean(dim=0))


def test_acceleration_is_of_three_frames() -> None:
    truth = torch.zeros(6, 17, 3, dtype=torch.float64)
    time_F11 = torch.arange(6, dtype=torch.float64)[:, None, None]
    steady = truth + 0.3 * time_F11
    torch.testing.assert_close(metrics.acceleration_error(steady, truth), torch.zeros(4, dtype=torch.float64))
    falling = truth + torch.tensor([0.0, 0.005, 0.0], dtype=torch.float64) * time_F11**2
    expected = torch.full((4,), 0.01, dtype=torch.float64)
    torch.testing.assert_close(metrics.acceleration_error(falling, truth), expected)


def test_a_scale_costs_n_mpjpe_nothing() -> None:
    truth = torch.randn(4, 17, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    assert metrics.n_mpjpe(0.3 * truth, truth).max() < 1e-12
    assert metrics.n_mpjpe(truth + 0.1, truth).min() > 0.05
    torch.testing.assert_close(metrics.n_mpjpe(0 * truth, truth), metrics.mpjpe(0 * truth, truth))
