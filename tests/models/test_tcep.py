"""Which frames are kept: exact counts, ends, gaps; nothing depends on device, mirror, batch or global random state."""

import itertools

import pytest
import torch
from torch import Tensor

import models
from models.config import LEFT, RIGHT
from models.htp import select
from models.mirror import MIRROR, mirror
from models.pruning.config import POLICIES, TCEP, Policy, Pruning, by_tokens
from models.pruning.tcep import Graph, frames_by_density
from tests.models.motion import burst, still, windows

FRAMES = 81
BY_WINDOW = [policy for policy in POLICIES if by_tokens(policy) is None]


def kept(x2d: Tensor, policy: Policy = "tcep", count: int = 27, share: float | None = None) -> Tensor:
    tcep = TCEP(keep_ratio=None, keep_frames=count, policy=policy, uniform_share=share)
    selection = select(x2d, Pruning(tcep=tcep))
    assert selection is not None
    assert selection.tcep_BN is not None
    return selection.tcep_BN


@pytest.mark.parametrize("policy", BY_WINDOW)
@pytest.mark.parametrize("count", [2, 3, 9, 41, 80])
def test_counts_are_exact_distinct_sorted_with_both_ends(policy: Policy, count: int) -> None:
    x2d = torch.cat([windows(4, FRAMES), still(1, FRAMES), burst(FRAMES, 20, 40), torch.zeros(1, FRAMES, 17, 2)])
    frames_BN = kept(x2d, policy, count)
    assert frames_BN.shape == (7, count)
    assert (frames_BN.diff(dim=1) > 0).all()
    assert (frames_BN[:, 0] == 0).all()
    assert (frames_BN[:, -1] == FRAMES - 1).all()


@pytest.mark.parametrize("policy", BY_WINDOW)
def test_mirrored_windows_keep_the_same_frames(policy: Policy) -> None:
    x2d = windows(16, FRAMES)
    assert not torch.equal(mirror(x2d), x2d)
    assert torch.equal(kept(mirror(x2d), policy), kept(x2d, policy))


@pytest.mark.parametrize("policy", BY_WINDOW)
def test_selection_is_a_function_of_the_window_alone(policy: Policy) -> None:
    x2d = windows(8, FRAMES)
    together = kept(x2d, policy)
    torch.rand(3)
    assert torch.equal(together, torch.cat([kept(one, policy) for one in torch.split(x2d, 1)]))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        assert torch.equal(together, kept(x2d, policy))
    finally:
        torch.set_num_threads(threads)


def test_policies_differ_and_random_ones_depend_on_the_window() -> None:
    x2d = windows(4, FRAMES)
    choices = [kept(x2d, policy) for policy in BY_WINDOW]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(choices, 2))
    for choice in (kept(x2d, "random"), kept(x2d, "segment")):
        assert len({tuple(row) for row in choice.tolist()}) == len(x2d)


def test_segments_hold_one_frame_each() -> None:
    frames_BN = kept(windows(8, FRAMES), "segment", 9)
    assert (frames_BN // 9 == torch.arange(9)).all()


def test_uniform_strides() -> None:
    frames_BN = kept(windows(1, FRAMES), "uniform", 27)
    assert set(frames_BN.diff(dim=1).flatten().tolist()) == {3, 4}
    assert kept(windows(1, FRAMES), "uniform", 41).tolist() == [list(range(0, FRAMES, 2))]


def test_full_uniform_share_is_uniform() -> None:
    x2d = windows(4, FRAMES)
    assert torch.equal(kept(x2d, share=1.0), kept(x2d, "uniform"))


@pytest.mark.parametrize("count", [5, 27, 40, 41, 60])
def test_still_windows_get_uniform_frames(count: int) -> None:
    assert torch.equal(kept(still(2, FRAMES), count=count), kept(still(2, FRAMES), "uniform", count))


@pytest.mark.parametrize(("share", "count"), [(0.5, 27), (0.25, 27), (None, 27), (None, 9)])
def test_gaps_are_bounded(share: float | None, count: int) -> None:
    x2d = torch.cat([windows(16, FRAMES), burst(FRAMES, 5, 20), burst(FRAMES, 60, 65)])
    eps = share or (0.5 if count == 27 else 0.25)
    gaps = kept(x2d, count=count, share=share).diff(dim=1)
    assert gaps.max() <= FRAMES / (count - 1) / eps + 1


@pytest.mark.parametrize(("start", "stop"), [(30, 54), (0, 24), (57, 81)])
def test_a_burst_gets_more_than_its_share(start: int, stop: int) -> None:
    frames_BN = kept(burst(FRAMES, start, stop))
    inside = ((frames_BN >= start) & (frames_BN < stop)).sum().item()
    assert inside > 1.2 * 27 * (stop - start) / FRAMES


def test_time_reversed_windows_keep_the_mirrored_frames() -> None:
    x2d = torch.cat([windows(16, FRAMES), burst(FRAMES, 10, 30)])
    reversed_BN = FRAMES - 1 - kept(x2d.flip(1)).flip(1)
    assert (reversed_BN - kept(x2d)).abs().max() <= 1  # rounding of a half goes to the later frame


def test_detector_noise_does_not_pass_for_motion() -> None:
    noisy = burst(FRAMES, 30, 54) + 0.004 * torch.randn(1, FRAMES, 17, 2, generator=torch.Generator().manual_seed(0))
    frames_BN = kept(noisy)
    inside = ((frames_BN >= 30) & (frames_BN < 54)).sum().item()
    assert inside > 1.2 * 27 * 24 / FRAMES


def test_a_glitch_of_one_frame_is_not_motion() -> None:
    glitched = still(1, FRAMES)
    glitched[:, 40, 16] += 0.5
    assert torch.equal(kept(glitched), kept(still(1, FRAMES)))


@pytest.mark.parametrize(("count", "share"), [(40, 0.5), (17, 0.5), (16, 0.25), (5, 0.25)])
def test_default_share_falls_when_under_a_fifth_is_kept(count: int, share: float) -> None:
    assert torch.equal(kept(windows(8, FRAMES), count=count), kept(windows(8, FRAMES), count=count, share=share))
    assert not torch.equal(
        kept(windows(8, FRAMES), count=count), kept(windows(8, FRAMES), count=count, share=0.75 - share)
    )


def test_distances_are_exact() -> None:
    graph = Graph(windows(3, FRAMES).double(), 3.0, TCEP())
    distance = graph.distance_BFF
    assert torch.equal(distance, distance.mT)
    assert (distance.diagonal(dim1=1, dim2=2) == 0).all()
    pose, velocity = graph.pose_BFE, 1.5 * graph.velocity_BFE
    direct = sum((x[:, :, None] - x[:, None]).square().sum(-1) for x in (pose, velocity)) / 34
    assert torch.allclose(distance, torch.as_tensor(direct), atol=1e-3)


def test_colliding_frames_are_moved_as_little_as_possible() -> None:
    density = torch.full((1, 15), 0.01, dtype=torch.float64)
    density[0, 7] = 100
    # wanted: 0, then 6, 7, 7, 7, 8, then 14
    assert frames_by_density(density, 7).tolist() == [[0, 5, 6, 7, 8, 9, 14]]
    assert frames_by_density(density, 15).tolist() == [list(range(15))]


def test_mirror_swaps_the_sides() -> None:
    assert [MIRROR[j] for j in LEFT] == list(RIGHT)
    assert [MIRROR[j] for j in MIRROR] == list(range(17))


def test_a_selection_serves_steps_hypotheses_and_devices() -> None:
    lifter = models.build("htp", size="tiny", seed=0)
    x2d = windows(2, 27)
    selection = lifter.select(x2d)
    assert selection is not None
    assert selection.tcep_BN is not None
    assert selection.mgptp_BM is not None
    repeated = selection.repeated(3)
    assert repeated.tcep_BN is not None
    assert torch.equal(repeated.tcep_BN.view(2, 3, -1)[:, 1], selection.tcep_BN)
    on_meta = selection.to("meta")
    assert on_meta.mgptp_BM is not None
    assert on_meta.mgptp_BM.shape == selection.mgptp_BM.shape
    for mirrored in (lifter.select(mirror(x2d)), lifter.select(x2d.double())):
        assert mirrored is not None
        assert mirrored.tcep_BN is not None
        assert torch.equal(mirrored.tcep_BN, selection.tcep_BN)
