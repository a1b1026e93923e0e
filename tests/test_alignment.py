"""The closed-form alignment equals the SVD's, on ordinary poses and on those whose rotation is hardly determined."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from ablate.bench.metrics import svd_align
from ablate.metrics import align, alignment, mpjpe, p_mpjpe

WIDTH = torch.tensor([0.2, 0.45, 0.15], dtype=torch.float64)


def drawn(count: int, seed: int) -> Tensor:
    return torch.randn(count, 17, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def hard(truth: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Poses of each kind that the truth is to be compared with."""
    noise = drawn(len(truth), 1)
    yield "near", truth + 0.05 * noise
    yield "far off", noise * WIDTH
    yield "ball", noise
    yield "mirrored", truth * torch.tensor([1, 1, -1])
    yield "mirrored, about", truth * torch.tensor([1, 1, -1]) + 0.03 * noise
    yield "flat", truth * torch.tensor([1, 1, 0])
    yield "almost flat", truth * torch.tensor([1, 1, 1e-5])
    yield "on a line", truth * torch.tensor([0, 1, 0])
    yield "almost on a line", truth * torch.tensor([1e-6, 1, 1e-6])
    yield "minute", 1e-12 * truth
    yield "elsewhere", truth + 5
    yield "a point", 0 * truth + 3
    yield "nothing", 0 * truth


@pytest.mark.parametrize("swapped", [False, True])
def test_equals_the_svd_on_every_kind_of_pose(swapped: bool) -> None:
    truth = drawn(2000, 0) * WIDTH
    for kind, pose in hard(truth):
        one, other = (truth, pose) if swapped else (pose, truth)
        expected = svd_align(one, other)
        apart = (align(one, other) - expected).norm(dim=-1).max()
        assert apart < 1e-9, f"{kind}: {apart}"
        single = align(one.float(), other.float()).double()
        assert (mpjpe(single, other) - mpjpe(expected, other)).abs().max() < 1e-6, kind


@pytest.mark.parametrize("mirrored", [1.0, -1.0])
def test_equals_the_svd_at_any_ratio_of_singular_values(mirrored: float) -> None:
    """On a grid that goes through every degenerate case: two equal, all equal, some zero, and just beside each."""
    steps = torch.tensor([0, 1e-9, 1e-5, 1e-3, 0.1, 0.3, 1 - 1e-3, 1 - 1e-5, 1 - 1e-9, 1], dtype=torch.float64)
    second, third = (x.flatten() for x in torch.meshgrid(steps, steps, indexing="ij"))
    values_N3 = torch.stack([torch.ones(100, dtype=torch.float64), second, mirrored * second * third], dim=1)
    left, right = (torch.linalg.qr(drawn(100, seed)[:, :3]).Q for seed in (2, 3))
    m_N33 = left @ torch.diag_embed(values_N3) @ right.mT
    frame = torch.cat([torch.eye(3), -torch.eye(3)]).double()  # its products with p are the rows of p, so M is any
    pose = torch.cat([m_N33.mT, -m_N33.mT], dim=1)
    aligned = align(pose, frame)
    assert torch.isfinite(aligned).all()
    best, expected = ((x - frame).square().sum(dim=(1, 2)) for x in (aligned, svd_align(pose, frame)))
    torch.testing.assert_close(best, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_frame_is_aligned_alike_in_any_company(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment, "CHUNK", 50)
    truth = (drawn(120, 0) * WIDTH).to(dtype)
    pose = torch.cat([pose[i * 9 : i * 9 + 9] for i, (_, pose) in enumerate(hard(truth.double()))]).to(dtype)
    truth = truth[: len(pose)]
    whole = align(pose, truth)
    assert whole.dtype == dtype
    for start, end in ((0, 1), (7, 24), (49, 52), (1, 116)):
        assert torch.equal(align(pose[start:end], truth[start:end]), whole[start:end])
    assert torch.equal(align(pose[30], truth[30]), whole[30])
    assert torch.equal(p_mpjpe(pose, truth), mpjpe(whole, truth))


def test_leading_dimensions_broadcast_over_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment, "CHUNK", 7)
    monkeypatch.setattr("ablate.metrics.distances.ALIGNED", 11)
    truth_BFJ3 = (drawn(15, 0) * WIDTH).reshape(3, 5, 17, 3)
    pose_BHFJ3 = truth_BFJ3[:, None] + 0.1 * drawn(60, 1).reshape(3, 4, 5, 17, 3)
    aligned = align(pose_BHFJ3, truth_BFJ3[:, None])
    for window in range(3):
        for hypothesis in range(4):
            alone = align(pose_BHFJ3[window, hypothesis], truth_BFJ3[window])
            assert torch.equal(aligned[window, hypothesis], alone)
    assert torch.equal(p_mpjpe(pose_BHFJ3, truth_BFJ3[:, None]), mpjpe(aligned, truth_BFJ3[:, None]))
    assert align(truth_BFJ3[:, :0], truth_BFJ3[:, :0]).shape == (3, 0, 17, 3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("which", ["pose", "truth"])
def test_what_is_not_finite_is_refused(bad: float, which: str) -> None:
    both = {"pose": drawn(5, 0), "truth": drawn(5, 1)}
    both[which][3, 2, 1] = bad
    with pytest.raises(RuntimeError, match="non-finite"):
        align(both["pose"], both["truth"])


def test_gives_no_gradient() -> None:
    assert not align(drawn(2, 0).requires_grad_(), drawn(2, 1)).requires_grad
