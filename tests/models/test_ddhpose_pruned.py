"""DDHPose where frames are dropped: its second keys go with them."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.contract import Lifter
from models.ddhpose import RelationAttention, families, relation_tokens
from models.htp import Passage, Selection, select
from models.pruning import merge, sft
from models.pruning.attention import attention
from models.pruning.config import MGPTP, SFT, TCEP, Pruning
from tests.models.bones import FRAMES, SMALL, noisy, warm, worst
from tests.models.motion import windows


@pytest.fixture
def lifter() -> Lifter:
    return warm(SMALL)


class Dense:
    """The network's pairs by hand on all frames, with what temporal attention may see as a mask."""

    def __init__(self, lifter: Lifter, x2d: Tensor, xt: Tensor, t: Tensor) -> None:
        self.network, self.found = lifter.denoiser, list[Tensor]()
        hook = self.network.temporal[0].register_forward_hook(lambda block, given, made: self.found.append(made))
        lifter.denoise(x2d, xt, t, None)
        hook.remove()
        self.first_BFJC = self.network.temporal_norm(self.found[0])
        self.relation_BFJC = relation_tokens(self.first_BFJC, families())

    def spatial(self, pair: int, x: Tensor) -> Tensor:
        y: Tensor = self.network.spatial_norm(self.network.spatial[pair](x))
        return y

    def temporal(self, pair: int, x: Tensor, mask_BFF: Tensor | None = None) -> Tensor:
        block, relation = self.network.temporal[pair], self.network.get_submodule(f"relation.{pair - 1}")
        keys = relation(block.get_submodule("norm1")(self.relation_BFJC))
        y: Tensor = self.network.temporal_norm(block(x, mask_BFF=mask_BFF, keys_BSJC=keys))
        return y


def last_tokens(lifter: Lifter, x2d: Tensor, xt: Tensor, t: Tensor, selection: Selection | None) -> Tensor:
    """What the last temporal block gives, normed."""
    found: list[Tensor] = []
    hook = lifter.denoiser.temporal[-1].register_forward_hook(lambda block, given, made: found.append(made))
    lifter.denoise(x2d, xt, t, selection)
    hook.remove()
    tokens: Tensor = lifter.denoiser.temporal_norm(found[0])
    return tokens


@torch.no_grad()
def test_gathered_attention_equals_masked_dense_attention(lifter: Lifter) -> None:
    """Second keys go with their frames: dense attention with the dropped frames masked out gives the same."""
    x2d, given = windows(2, FRAMES), (windows(2, FRAMES), noisy(), torch.tensor([7, 800]))
    selection = lifter.select(x2d, Pruning(tcep=TCEP(keep_ratio=None, keep_frames=5), sft=SFT()))
    assert selection is not None
    assert selection.tcep_BN is not None
    kept_BN, dense = selection.tcep_BN, Dense(lifter, *given)
    seen = torch.zeros(2, FRAMES, dtype=torch.bool).scatter(1, kept_BN, True)[:, None].expand(-1, FRAMES, -1)
    x = y = dense.first_BFJC
    for pair in (1, 2):
        x = dense.temporal(pair, dense.spatial(pair, x), seen)
        y = dense.temporal(pair, dense.spatial(pair, y))
    pruned = last_tokens(lifter, *given, selection)
    assert worst(pruned, sft.gather(x, kept_BN)) < 1e-5
    assert worst(pruned, sft.gather(y, kept_BN)) > 1e-2


@torch.no_grad()
def test_frozen_frames_keep_their_second_keys(lifter: Lifter) -> None:
    """Without SFT: dense attention in which dropped frames stay as they were, dropped in two stages."""
    given = windows(2, FRAMES), noisy(), torch.tensor([7, 800])
    pruning = Pruning(
        tcep=TCEP(keep_ratio=None, keep_frames=6),
        mgptp=MGPTP(keep_ratio=None, clusters=4, before_pair=2),
    )
    selection = lifter.select(given[0], pruning)
    assert selection is not None
    assert selection.tcep_BN is not None
    assert selection.mgptp_BM is not None
    dense = Dense(lifter, *given)
    x = dense.first_BFJC
    for pair, kept in ((1, selection.tcep_BN), (2, selection.mgptp_BM)):
        alive = torch.zeros(2, FRAMES, dtype=torch.bool).scatter(1, kept, True)[:, :, None, None]
        mixed = torch.where(alive, dense.spatial(pair, x), x)
        x = torch.where(alive, dense.temporal(pair, mixed), x)
    pruned = last_tokens(lifter, *given, selection)
    assert worst(pruned, sft.gather(x, selection.mgptp_BM)) < 1e-5


@torch.no_grad()
def test_merged_frames_share_the_mean_of_their_relation_tokens() -> None:
    pruning = Pruning(tcep=TCEP(policy="merge"), sft=SFT())
    passage = Passage(select(windows(2, FRAMES), pruning), hypotheses=1)
    passage.beside_BFJC = torch.randn(2, FRAMES, 17, 4)
    assert passage.beside() is passage.beside_BFJC
    left = passage.prune(1, torch.randn(2, FRAMES, 17, 4))
    assert passage.frames_BN is not None
    assert torch.equal(passage.beside(), merge.means(passage.beside_BFJC, passage.frames_BN))
    assert passage.beside().shape == left.shape


@torch.no_grad()
def test_the_attention_policy_sees_second_keys() -> None:
    part = Pruning(tcep=TCEP(policy="attention", keep_ratio=0.5, before_pair=2), sft=SFT())
    lifter = warm(replace(SMALL, pruning=part))
    network, given, found = lifter.denoiser, list[tuple[Tensor, ...]](), list[Tensor]()
    network.temporal[1].get_submodule("attn").register_forward_hook(lambda layer, passed, made: given.append(passed))
    network.temporal[1].register_forward_hook(lambda block, passed, made: found.append(network.temporal_norm(made)))
    network.spatial[2].register_forward_pre_hook(lambda block, passed: found.append(passed[0]))
    lifter.denoise(windows(2, FRAMES), noisy(), torch.tensor([7, 800]))
    (y, _, _, keys), (before, left) = given[0], found
    layer = network.temporal[1].get_submodule("attn")
    assert isinstance(layer, RelationAttention)
    q, k, _ = layer.project(y, y)
    weights = (q @ (k + layer.view(keys)).mT * q.shape[-1] ** -0.5).softmax(-1)
    assert torch.equal(left, sft.gather(before, attention(weights.mean((1, 2)), left.shape[1])))
    without = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1)
    assert worst(weights.mean((1, 2)), without.mean((1, 2))) > 1e-3


@pytest.mark.parametrize("pruning", [Pruning(tcep=TCEP(before_pair=0)), Pruning(mgptp=MGPTP(before_pair=0))])
def test_nothing_is_dropped_before_relation_tokens_are_there(lifter: Lifter, pruning: Pruning) -> None:
    with pytest.raises(
        ValueError, match=r"pruning\.(tcep|mgptp)\.before_pair: must be at least 1: after the first pair"
    ):
        lifter.select(windows(1, FRAMES), pruning)
