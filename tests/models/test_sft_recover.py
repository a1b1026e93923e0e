"""Gathered attention against masked dense attention, and the way back to all frames."""

from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor

import models
from models.htp import Passage, Selection, select
from models.layers import Attention, Block
from models.pruning import sft
from models.pruning.config import MGPTP, SFT, TCEP, Pruning
from models.pruning.recover import CrossAttention, interpolate, interpolation
from models.pruning.tcep import Graph
from tests.models.motion import windows

FRAMES, WIDTH = 27, 32


@pytest.fixture
def tokens() -> Tensor:
    return torch.randn(3, FRAMES, 17, WIDTH, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def kept() -> Tensor:
    rows = [torch.randperm(FRAMES, generator=torch.Generator().manual_seed(i))[:9].sort().values for i in range(3)]
    return torch.stack(rows)


def masked_to(kept_BN: Tensor) -> Tensor:
    """(B, F, F): every query sees the kept frames alone."""
    seen = torch.zeros(len(kept_BN), FRAMES, dtype=torch.bool).scatter(1, kept_BN, True)
    return seen[:, None, :].expand(-1, FRAMES, -1)


def test_gathered_attention_equals_masked_dense_attention(tokens: Tensor, kept: Tensor) -> None:
    block = Block(WIDTH, 4, 2 * WIDTH, "frames")
    gathered = block(sft.gather(tokens, kept))
    dense = block(tokens, mask_BFF=masked_to(kept))
    assert torch.allclose(gathered, sft.gather(dense, kept), atol=1e-5)
    assert not torch.allclose(gathered, sft.gather(block(tokens), kept), atol=1e-3)


@pytest.mark.parametrize("axis", ["joints", "frames"])
def test_attention_equals_its_textbook_form(tokens: Tensor, axis: str) -> None:
    attention = Attention(WIDTH, 4, "joints" if axis == "joints" else "frames")
    sequences = tokens.flatten(0, 1) if axis == "joints" else tokens.transpose(1, 2).flatten(0, 1)
    qkv = attention.qkv(sequences).view(*sequences.shape[:2], 3, 4, WIDTH // 4)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    out = ((q @ k.mT) * (WIDTH // 4) ** -0.5).softmax(-1) @ v
    out = attention.proj(out.transpose(1, 2).reshape(sequences.shape))
    wanted = out.view(tokens.shape) if axis == "joints" else out.view(3, 17, FRAMES, WIDTH).transpose(1, 2)
    assert torch.allclose(attention(tokens, tokens), wanted, atol=1e-5)


def test_without_sft_dropped_frames_are_seen_as_they_were(tokens: Tensor, kept: Tensor) -> None:
    block = Block(WIDTH, 4, 2 * WIDTH, "frames")
    passage = Passage(_selection(kept, Pruning(tcep=TCEP(before_pair=0))), hypotheses=1)
    left = passage.prune(0, tokens)
    assert passage.context_BDJC is not None
    # in the block right after pruning nothing has changed yet: dense attention, of which only kept queries are asked
    assert torch.allclose(block(left, context_BDJC=passage.context_BDJC), sft.gather(block(tokens), kept), atol=1e-5)


def test_frame_embedding_goes_with_the_frame(tokens: Tensor, kept: Tensor) -> None:
    embedding = torch.randn(FRAMES, WIDTH)
    passage = Passage(_selection(kept, Pruning(tcep=TCEP(before_pair=0))), hypotheses=1)
    left = passage.embed(passage.prune(0, tokens), embedding)
    dense = Passage(None, hypotheses=1).embed(tokens, embedding)
    assert torch.equal(left, sft.gather(dense, kept))
    assert passage.context_BDJC is not None
    assert torch.equal(passage.context_BDJC, sft.gather(dense, sft.others(kept, FRAMES)))


def _selection(kept: Tensor, pruning: Pruning) -> Selection:
    return Selection(pruning=pruning, frames=FRAMES, tcep_BN=kept)


def test_others_are_the_complement(kept: Tensor) -> None:
    everyone = torch.cat([kept, sft.others(kept, FRAMES)], dim=1)
    assert (everyone.sort(1).values == torch.arange(FRAMES)).all()
    assert (sft.others(kept, FRAMES).diff(dim=1) > 0).all()


def test_focus_sees_the_most_similar_kept_frames(kept: Tensor) -> None:
    similarity = Graph(windows(3, FRAMES).double(), 3.0, TCEP()).similarity_BFF
    ranks = sft.neighbour_ranks(similarity)
    assert (ranks.diagonal(dim1=1, dim2=2) == 0).all()
    mask = sft.focus_mask(sft.among(ranks, kept), 4)
    for window in range(3):
        frames = kept[window].tolist()
        for i, frame in enumerate(frames):
            by_similarity = sorted(frames, key=lambda other: (other != frame, -similarity[window, frame, other], other))
            assert {frames[j] for j in mask[window, i].nonzero().flatten().tolist()} == set(by_similarity[:4])


def test_focused_attention_equals_masked_dense_attention(tokens: Tensor, kept: Tensor) -> None:
    ranks = sft.neighbour_ranks(Graph(windows(3, FRAMES).double(), 3.0, TCEP()).similarity_BFF)
    pruning = Pruning(tcep=TCEP(before_pair=0), sft=SFT(focus=4))
    passage = Passage(replace(_selection(kept, pruning), rank_BFF=ranks), hypotheses=1)
    left = passage.prune(0, tokens)
    assert passage.mask_BNN is not None
    assert (passage.mask_BNN.sum(-1) == 4).all()
    block = Block(WIDTH, 4, 2 * WIDTH, "frames")
    dense = torch.zeros(3, FRAMES, FRAMES, dtype=torch.bool)
    for window, row, column in passage.mask_BNN.nonzero().tolist():
        dense[window, kept[window, row], kept[window, column]] = True
    dense |= torch.eye(FRAMES, dtype=torch.bool) & ~dense.any(-1, keepdim=True)  # a dropped query must see something
    wanted = sft.gather(block(tokens, mask_BFF=dense), kept)
    assert torch.allclose(block(left, mask_BFF=passage.mask_BNN), wanted, atol=1e-5)


def with_ends(kept: Tensor) -> Tensor:
    kept = kept.clone()
    kept[:, 0], kept[:, -1] = 0, FRAMES - 1
    return kept


def test_interpolation_weights_sum_to_one_and_reproduce_a_ramp(kept: Tensor) -> None:
    kept = with_ends(kept)
    before, after, along = interpolation(kept, FRAMES)
    assert ((along >= 0) & (along <= 1)).all()
    matrix = torch.zeros(3, FRAMES, 9).scatter_add(2, before[:, :, None], 1 - along[:, :, None])
    matrix = matrix.scatter_add(2, after[:, :, None], along[:, :, None])
    assert torch.allclose(matrix.sum(-1), torch.ones(3, FRAMES))
    ramp = torch.arange(FRAMES, dtype=torch.float32)[None, :, None, None].expand(3, -1, 17, 2)
    assert torch.allclose(interpolate(sft.gather(ramp, kept), kept, FRAMES), ramp, atol=1e-5)


def test_interpolation_keeps_kept_frames_and_all_frames(tokens: Tensor, kept: Tensor) -> None:
    kept = with_ends(kept)
    recovered = interpolate(sft.gather(tokens, kept), kept, FRAMES)
    assert torch.equal(sft.gather(recovered, kept), sft.gather(tokens, kept))
    everything = torch.arange(FRAMES).expand(3, -1)
    assert torch.equal(interpolate(tokens, everything, FRAMES), tokens)


def test_learned_recovery_attends_joint_by_joint(tokens: Tensor, kept: Tensor) -> None:
    layer = CrossAttention(FRAMES, WIDTH, 4)
    left = sft.gather(tokens, kept)
    out = layer(left)
    assert out.shape == tokens.shape
    moved = left.clone()
    moved[:, :, 3] += torch.randn(WIDTH)
    changed = (layer(moved) != out).any(-1).any(1)
    assert changed.tolist() == [[joint == 3 for joint in range(17)]] * 3
    source = left[:, :, 5]
    heads = [
        y.unflatten(-1, (4, -1)).transpose(-3, -2) for y in (layer.q(layer.query_FC), layer.k(source), layer.v(source))
    ]
    attended = ((heads[0] @ heads[1].mT) * (WIDTH // 4) ** -0.5).softmax(-1) @ heads[2]
    wanted = layer.query_FC + layer.proj(attended.transpose(1, 2).flatten(2))
    assert torch.allclose(out[:, :, 5], wanted, atol=1e-5)


def test_a_pass_uses_what_selection_says(kept: Tensor) -> None:
    lifter = models.build("d3dp", size="tiny", seed=0)
    x2d, xt, t = windows(3, FRAMES), torch.randn(3, 1, FRAMES, 17, 3), torch.tensor([1, 500, 900])
    one = _selection(with_ends(kept), Pruning(tcep=TCEP(before_pair=0), sft=SFT()))
    out = lifter.denoise(x2d, xt, t, one)
    # frames that were dropped at the very start can't matter
    dropped = sft.others(with_ends(kept), FRAMES)
    changed = xt.clone()
    for window in range(3):
        changed[window, :, dropped[window]] += 1
    assert torch.equal(lifter.denoise(x2d, changed, t, one), out)


@pytest.mark.parametrize("tcep", [None, TCEP(before_pair=0)])
@pytest.mark.parametrize("source", ["descriptors", "tokens", None])
@pytest.mark.parametrize("attend", [SFT(), None])
def test_a_ramp_passes_unchanged(
    tcep: TCEP | None, source: Literal["descriptors", "tokens"] | None, attend: SFT | None
) -> None:
    """Tokens that hold their own time are dropped and interpolated, stage after stage, and still hold their time."""
    mgptp = None if source is None else MGPTP(before_pair=1, source=source)
    selection = select(windows(3, FRAMES), Pruning(tcep=tcep, sft=attend, mgptp=mgptp))
    assert (selection is None) == (tcep is None and mgptp is None)
    passage = Passage(selection, hypotheses=1)
    ramp = torch.arange(FRAMES, dtype=torch.float32)[None, :, None, None].expand(3, -1, 17, 2)
    left = passage.prune(1, passage.prune(0, ramp))
    assert left.shape[1] == (7 if mgptp else 14 if tcep else FRAMES)
    if passage.frames_BN is not None:
        assert torch.equal(left[:, :, 0, 0].long(), passage.frames_BN)
        if mgptp is not None and selection is not None and selection.mgptp_BM is not None:
            assert torch.equal(passage.frames_BN, selection.mgptp_BM)
    if attend is None and selection is not None:
        assert passage.context_BDJC is not None
        assert passage.context_frames_BD is not None
        assert torch.equal(passage.context_BDJC[:, :, 0, 0].long(), passage.context_frames_BD)
        everyone = torch.cat([left, passage.context_BDJC], dim=1)[:, :, 0, 0]
        assert torch.equal(everyone.sort(1).values, ramp[:, :, 0, 0])
    assert torch.allclose(passage.recover(left, None), ramp, atol=1e-5)


def test_stochastic_depth_drops_each_branch_on_its_own(tokens: Tensor) -> None:
    block = Block(WIDTH, 4, 2 * WIDTH, "joints")
    on, off = torch.ones(3, FRAMES, 1, 1), torch.zeros(3, FRAMES, 1, 1)
    y = block.norm1(tokens)
    attended = tokens + block.attn(y, y)
    assert torch.equal(block(tokens, keep=(off, off)), tokens)
    assert torch.equal(block(tokens, keep=(on, off)), attended)
    assert torch.equal(block(tokens, keep=(off, on)), tokens + block.mlp(block.norm2(tokens)))
    assert torch.equal(block(tokens, keep=(on, on)), block(tokens))
    first = off.clone()
    first[:, 0] = 2.0  # one frame's branch, scaled up for those that are dropped
    out = block(tokens, keep=(first, off))
    assert torch.allclose(out[:, 0], tokens[:, 0] + 2 * (attended - tokens)[:, 0], atol=1e-5)
    assert torch.equal(out[:, 1:], tokens[:, 1:])
