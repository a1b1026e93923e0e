"""MGPTP's choice equals a brute-force version in numpy, loop by loop."""

from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

import models
from models.htp import select
from models.mirror import mirror
from models.pruning.config import MGPTP, SFT, TCEP, Pruning
from models.pruning.mgptp import COVERAGE, best_of_segments, peak_scores, squared_distances
from models.pruning.tcep import Graph
from tests.models.motion import still, windows

FRAMES = 81
Array = np.ndarray[Any, np.dtype[np.float64]]


def brute_force(
    h: Array, frames: list[int], guidance: Array, stride: float, clusters: int, neighbours: int
) -> list[int]:
    """One window: positions of the kept tokens. ``h`` (N, E) are the tokens' descriptors."""
    n = len(frames)
    distance = np.array([[((h[i] - h[j]) ** 2).sum() for j in range(n)] for i in range(n)])
    offset = min(max(1, int(n / clusters + 0.5)), n - 1)
    moved = max(1e-8, float(np.mean([distance[i, i + offset] for i in range(n - offset)])))
    for i in range(n):
        for j in range(n):
            distance[i, j] = distance[i, j] / moved + ((frames[i] - frames[j]) / stride) ** 2
    density = []
    for i in range(n):
        nearest = sorted(distance[i, j] for j in range(n) if j != i)[:neighbours]
        density.append(np.exp(-np.mean(nearest)))
    score = []
    for i in range(n):
        denser = [j for j in range(n) if density[j] > density[i] or (density[j] == density[i] and j < i)]
        delta = min(distance[i, j] for j in denser) if denser else max(distance[i])
        score.append(density[i] * np.sqrt(delta) * guidance[i])
    kept = []
    for segment in range(clusters):
        middle = segment * (n - 1) / (clusters - 1)
        inside = [
            i for i in range(n) if middle - (n - 1) / (clusters - 1) / 2 <= i < middle + (n - 1) / (clusters - 1) / 2
        ]
        off = [(i - middle) * (clusters - 1) / (n - 1) for i in inside]
        kept.append(max(zip(inside, off, strict=True), key=lambda io: score[io[0]] * np.exp(-COVERAGE * io[1] ** 2))[0])
    return [0, *kept[1:-1], n - 1]


@pytest.mark.parametrize(
    ("count", "clusters", "neighbours"), [(41, 20, 2), (27, 9, 2), (30, 7, 5), (9, 8, 1), (5, 2, 9)]
)
def test_choice_equals_brute_force(count: int, clusters: int, neighbours: int) -> None:
    rng = np.random.default_rng(count)
    h = rng.normal(size=(6, count, 12)).cumsum(1)
    guidance = rng.uniform(0.1, 0.9, (6, count))
    frames = np.sort(np.stack([rng.permutation(FRAMES)[:count] for _ in range(6)]), axis=1)
    stride = FRAMES / clusters
    tokens = torch.from_numpy(h)
    distance = torch.cdist(tokens, tokens, compute_mode="donot_use_mm_for_euclid_dist").square()
    scores = peak_scores(
        distance,
        torch.from_numpy(frames),
        torch.from_numpy(guidance),
        stride=stride,
        clusters=clusters,
        neighbours=neighbours,
    )
    chosen = best_of_segments(scores, clusters).tolist()
    for window in range(6):
        arguments = (h[window], frames[window].tolist(), guidance[window], stride, clusters, neighbours)
        assert chosen[window] == brute_force(*arguments)


def test_equal_tokens_are_told_apart_by_time() -> None:
    tokens = torch.zeros(1, 10, 4, dtype=torch.float64)
    frames = torch.arange(10)[None]
    scores = peak_scores(
        squared_distances(tokens).double(), frames, torch.full((1, 10), 0.5), stride=2.5, clusters=4, neighbours=2
    )
    assert scores.isfinite().all()
    assert best_of_segments(scores, 4).tolist() == [[0, 3, 6, 9]]


def clustered(x2d: Tensor, pruning: Pruning) -> Tensor:
    selection = select(x2d, pruning)
    assert selection is not None
    assert selection.mgptp_BM is not None
    return selection.mgptp_BM


@pytest.mark.parametrize("tcep", [None, TCEP(keep_ratio=0.5), TCEP(keep_ratio=0.5, policy="uniform")])
@pytest.mark.parametrize("clusters", [2, 9, 20, 40])
def test_counts_order_ends_mirror_and_batch(tcep: TCEP | None, clusters: int) -> None:
    x2d = torch.cat([windows(8, FRAMES), still(1, FRAMES), torch.zeros(1, FRAMES, 17, 2)])
    pruning = Pruning(tcep=tcep, mgptp=MGPTP(keep_ratio=None, clusters=clusters))
    frames_BM = clustered(x2d, pruning)
    assert frames_BM.shape == (10, clusters)
    assert (frames_BM.diff(dim=1) > 0).all()
    assert (frames_BM[:, 0] == 0).all()
    assert (frames_BM[:, -1] == FRAMES - 1).all()
    assert torch.equal(clustered(mirror(x2d), pruning), frames_BM)
    assert torch.equal(torch.cat([clustered(one, pruning) for one in torch.split(x2d, 1)]), frames_BM)
    if tcep is not None:
        selection = select(x2d, pruning)
        assert selection is not None
        assert selection.tcep_BN is not None
        assert all(
            set(few) <= set(many) for few, many in zip(frames_BM.tolist(), selection.tcep_BN.tolist(), strict=True)
        )


def test_uniform_keeps_the_middle_of_each_segment() -> None:
    even = [0, 10, 20, 30, 40, 50, 60, 70, 80]
    for source in ("descriptors", "tokens"):
        stage = MGPTP(keep_ratio=None, clusters=9, policy="uniform", source=source)
        assert clustered(windows(2, FRAMES), Pruning(mgptp=stage)).tolist() == [even, even]


def test_guidance_moves_the_choice() -> None:
    graph = Graph(windows(4, FRAMES).double(), 3.0, TCEP())
    assert ((graph.guidance_BF > 0) & (graph.guidance_BF < 1)).all()
    frames = torch.arange(FRAMES).expand(4, -1)
    choices = []
    for guidance in (graph.guidance_BF, 1 - graph.guidance_BF):
        scores = peak_scores(graph.distance_BFF, frames, guidance, stride=9.0, clusters=9, neighbours=2)
        choices.append(best_of_segments(scores, 9))
    assert not torch.equal(*choices)


def test_tokens_choose_for_themselves_and_no_gradient_passes() -> None:
    pruning = Pruning(sft=SFT(), mgptp=MGPTP(keep_ratio=0.3, before_pair=1, source="tokens"))
    lifter = models.build("d3dp", size="tiny", seed=0, pruning=pruning)
    x2d, t = windows(1, 27), torch.tensor([500])
    selection = lifter.select(x2d)
    assert selection is not None
    assert selection.mgptp_BM is None
    states = torch.randn(1, 2, 27, 17, 3, generator=torch.Generator().manual_seed(0))
    together = lifter.denoise(x2d, states, t, selection)
    apart = torch.cat([lifter.denoise(x2d, state, t, selection) for state in torch.split(states, 1, dim=1)], dim=1)
    assert torch.allclose(together, apart, atol=1e-5)
    tokens = torch.randn(1, 9, 4, requires_grad=True)
    assert not squared_distances(tokens).requires_grad


@pytest.mark.parametrize("policy", ["uniform", "tcep"])
def test_the_uniform_control_keeps_even_strides_of_what_is_left(policy: Literal["uniform", "tcep"]) -> None:
    x2d_BFJ2 = torch.randn(3, 81, 17, 2, generator=torch.Generator().manual_seed(0))
    pruning = Pruning(tcep=TCEP(keep_ratio=0.5, policy=policy), mgptp=MGPTP(clusters=11, policy="uniform"))
    selection = select(x2d_BFJ2, pruning)
    assert selection is not None
    assert selection.tcep_BN is not None
    assert selection.mgptp_BM is not None
    place_BM = torch.searchsorted(selection.tcep_BN, selection.mgptp_BM)
    assert torch.equal(place_BM, torch.arange(0, 41, 4).expand(3, -1))
