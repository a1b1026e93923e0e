"""Numbers of the reference programs of MixSTE (at 72a36be) and of HoT on it (at 873b5bd), and what they are made of."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import models
from models import checkpoint
from models.config import MixSTE
from models.deterministic import WEIGHTS, Lifter, mixste_loss
from models.htp import Passage, Selection
from models.mirror import mirror
from models.pruning.config import SFT, TCEP, Pruning, Recovery
from models.pruning.dpc_knn import density_peaks, dpc_knn
from models.pruning.elastic import Elastic
from models.pruning.recover import interpolation
from tests.models.motion import poses, windows
from tests.reference import Numbers

TIE_BREAK = 1e-6  # what HoT's program multiplies its noise by
HOT = Pruning(
    tcep=TCEP(keep_ratio=None, keep_frames=4, before_pair=2, policy="dpc_knn", embed_places=True),
    sft=SFT(),
    recovery=Recovery(kind="cross_attention"),
)


@pytest.fixture(scope="module")
def plain() -> Numbers:
    return Numbers("mixste")


@pytest.fixture(scope="module")
def hot() -> Numbers:
    return Numbers("hot_mixste")


def built(state: dict[str, Tensor]) -> Lifter:
    lifter = Lifter(MixSTE(frames=9, width=32, depth=2, heads=8))
    lifter.load_state_dict(checkpoint.from_mixste(state))
    return lifter.eval()


def built_hot(state: dict[str, Tensor]) -> Lifter:
    lifter = Lifter(MixSTE(frames=9, width=32, depth=8, heads=8, pruning=HOT))
    lifter.load_state_dict(checkpoint.from_hot(state))
    return lifter.eval()


def worst(got: Tensor, wanted: Tensor) -> float:
    assert got.shape == wanted.shape
    return (got.detach().double() - wanted.double()).abs().max().item()


def test_one_pass_and_flip_averaging(plain: Numbers) -> None:
    lifter, x2d = built(plain.state()), plain["x_2d"]
    assert torch.equal(mirror(x2d), plain["x_2d_flip"])
    assert worst(lifter.lift(x2d, flip=False)[:, 0, 0], plain["out"]) < 3e-5
    assert worst(lifter.lift(mirror(x2d), flip=False)[:, 0, 0], plain["out_of_flipped_input"]) < 3e-5
    assert worst(lifter.lift(x2d)[:, 0, 0], plain["out_flip_averaged"]) < 3e-5


def test_layer_norm_eps(plain: Numbers) -> None:
    state = plain.state()
    for key in plain.arrays["eps_case/keys"]:
        state[str(key)] = state[str(key)] * plain["eps_case/factor"].float()
    assert worst(built(state).lift(plain["x_2d"], flip=False)[:, 0, 0], plain["eps_case/out"]) < 1e-5


def test_the_published_loss(plain: Numbers) -> None:
    assert torch.equal(torch.tensor(WEIGHTS), plain["loss/w"])
    pred, target, total = plain["loss/pred"].requires_grad_(), plain["loss/target"], plain["loss/total"]
    loss = mixste_loss(pred, target)
    assert worst(loss, total) < 1e-6
    torch.autograd.backward(loss)
    assert pred.grad is not None
    assert worst(pred.grad, plain["loss/grad_pred"] / total) < 1e-8


def test_the_loss_is_a_choice() -> None:
    x2d, x3d, losses = windows(2, 27), poses(2, 27), []
    for name in ("mpjpe", "mixste"):
        lifter = models.build("mixste", "tiny", seed=0, loss=name).eval()
        losses.append(lifter.loss(x2d, x3d, generator=torch.Generator()).item())
    error = torch.linalg.vector_norm(lifter.lift(x2d, flip=False)[:, 0, 0] - x3d, dim=-1).mean()
    assert losses[0] == pytest.approx(error.item())
    assert losses[1] > losses[0]


def test_hot_without_tie_break_noise(hot: Numbers) -> None:
    lifter = built_hot(hot.state())
    assert worst(lifter.lift(hot["x_2d"], flip=False)[:, 0, 0], hot["zero/out"]) < 3e-5
    assert torch.equal(dpc_knn(hot["token_features"][:, :, None], 4), hot["zero/kept"])


@torch.no_grad()
def test_hot_with_tie_break_noise(hot: Numbers) -> None:
    best = density_peaks(hot["token_features"], 4, tie_break_BF=TIE_BREAK * hot["noise/tie_noise"])
    assert torch.equal(best, hot["noise/index_by_score"])
    assert torch.equal(best.sort(1).values, hot["noise/kept"])
    lifter, nothing = built_hot(hot.state()), torch.empty(2, 1, 9, 17, 0)
    given = Selection(pruning=HOT, frames=9, tcep_BN=hot["noise/kept"])
    out = lifter.denoise(hot["x_2d"], nothing, torch.zeros(2, dtype=torch.int64), given)
    assert worst(out[:, 0], hot["noise/out"]) < 3e-5


@pytest.mark.parametrize("neighbours", [2, 5])
def test_clustering_alone(hot: Numbers, neighbours: int) -> None:
    best = density_peaks(hot["dpc/x"], 4, neighbours, TIE_BREAK * hot["dpc/tie_noise"])
    assert torch.equal(best, hot[f"dpc/k{neighbours}_index_by_score"])


def brute_force(x: Any, count: int, neighbours: int) -> list[int]:
    """One window, loop by loop, in float64; ``x`` (F, E)."""
    frames = len(x)
    apart = np.array([[((x[i] - x[j]) ** 2).mean() for j in range(frames)] for i in range(frames)])
    density = [np.exp(-np.mean(sorted(apart[i])[:neighbours])) for i in range(frames)]
    score = []
    for i in range(frames):
        denser = [apart[i, j] for j in range(frames) if density[j] > density[i]]
        score.append(density[i] * np.sqrt(min(denser, default=apart.max())))
    return sorted(range(frames), key=lambda i: -score[i])[:count]


@pytest.mark.parametrize("neighbours", [2, 3])
def test_clustering_equals_brute_force(neighbours: int) -> None:
    x = np.random.default_rng(0).normal(size=(5, 40, 8)).cumsum(1)
    got = density_peaks(torch.from_numpy(x), 13, neighbours).tolist()
    assert got == [brute_force(window.astype(np.float32).astype(float), 13, neighbours) for window in x]


def test_tokens_alike_are_told_apart_by_time_and_without_a_gradient() -> None:
    tokens = torch.zeros(2, 9, 17, 8, requires_grad=True)
    assert dpc_knn(tokens, 3).tolist() == [[0, 1, 2]] * 2
    assert not density_peaks(tokens.mean(2), 3).requires_grad


def test_each_pass_chooses_for_itself() -> None:
    pruning = Pruning(tcep=TCEP(before_pair=1, policy="dpc_knn"), sft=SFT())
    lifter = models.build("d3dp", size="tiny", seed=0, pruning=pruning)
    selection = lifter.select(windows(1, 27))
    assert selection is not None
    assert selection.tcep_BN is None
    kept = []
    for seed in range(2):
        passage = Passage(selection, hypotheses=1)
        tokens = torch.randn(1, 27, 17, 32, generator=torch.Generator().manual_seed(seed))
        left = passage.prune(1, tokens)
        assert passage.frames_BN is not None
        assert torch.equal(left, tokens[:, passage.frames_BN[0]])
        assert (passage.frames_BN.diff() > 0).all()
        kept.append(passage.frames_BN)
    assert not torch.equal(*kept)


def test_ends_that_were_dropped_are_their_nearest_kept_frame() -> None:
    before, after, along = interpolation(torch.tensor([[2, 5, 6]]), 9)
    places = torch.tensor([2.0, 5.0, 6.0])
    assert torch.lerp(places[before], places[after], along).tolist() == [[2, 2, 2, 3, 4, 5, 6, 6, 6]]


def test_places_tell_kept_frames_apart() -> None:
    lifter = models.build("hot", size="tiny", seed=0).eval()
    assert lifter.denoiser.place_embedding is not None
    assert lifter.denoiser.place_embedding.shape == (9, 32)
    x2d = windows(1, 27)
    before = lifter.lift(x2d)
    torch.nn.init.normal_(lifter.denoiser.place_embedding)
    assert not torch.allclose(lifter.lift(x2d), before, atol=1e-3)
    with pytest.raises(ValueError, match="learned for one count"):
        lifter.elastic(Elastic(), np.random.default_rng(0))


def test_checkpoint_names(plain: Numbers, hot: Numbers) -> None:
    for numbers, read, lifter in (
        (plain, checkpoint.from_mixste, built(plain.state())),
        (hot, checkpoint.from_hot, built_hot(hot.state())),
    ):
        assert read(numbers.state()).keys() == read(numbers.state("module.")).keys() == lifter.state_dict().keys()
        with pytest.raises(ValueError, match=r"module\.surprise"):
            read({**numbers.state(), "module.surprise": torch.zeros(1)})
    with pytest.raises(ValueError, match="not keys of a MixSTE checkpoint: pos_embed_token, x_token"):
        checkpoint.from_mixste({k: v for k, v in hot.state().items() if not k.startswith("cross_attention")})
