"""The policy that keeps the frames which receive most attention: what it sees, its cost, its contract."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

import models
from models.config import Host
from models.htp import Passage, select
from models.layers import Block
from models.pruning.attention import attention, received
from models.pruning.config import MGPTP, SFT, TCEP, Pruning
from tests.models.motion import windows
from tests.models.test_cost import counted_gmacs

FRAMES = models.SIZES["tiny"]["frames"]
PRUNING = Pruning(tcep=TCEP(policy="attention", keep_ratio=0.3), sft=SFT())


def tokens(count: int = 2, frames: int = FRAMES) -> Tensor:
    return torch.randn(count, frames, 17, 32, generator=torch.Generator().manual_seed(0))


def test_received_is_the_mean_column_of_the_attention_weights() -> None:
    attn = Block(32, 4, 64, "frames").attn
    x = tokens()
    q, k, _ = attn.qkv(x).unflatten(-1, (3, 4, 8)).unbind(3)  # (B, F, J, heads, C / heads)
    weights = (torch.einsum("bfjhc,bgjhc->bjhfg", q, k) / 8**0.5).softmax(-1)
    seen = received(x, attn.qkv, 4)
    assert torch.allclose(seen, weights.mean((1, 2, 3)), atol=1e-6)
    assert torch.allclose(seen.sum(1), torch.ones(2))


@pytest.mark.parametrize("count", [2, 3, 9, 26])
def test_most_attended_frames_stay_and_both_ends(count: int) -> None:
    score = torch.rand(3, FRAMES, generator=torch.Generator().manual_seed(0))
    kept = attention(score, count)
    assert kept.shape == (3, count)
    assert (kept.diff(dim=1) > 0).all()
    assert (kept[:, 0] == 0).all()
    assert (kept[:, -1] == FRAMES - 1).all()
    for row, chosen in zip(score, kept.tolist(), strict=True):
        dropped = [frame for frame in range(FRAMES) if frame not in chosen]
        assert all(row[frame] >= row[dropped].max() for frame in chosen[1:-1])
    assert attention(torch.ones(1, FRAMES), 4).tolist() == [[0, 1, 2, FRAMES - 1]]


def test_a_pass_chooses_by_the_block_before_and_by_no_other() -> None:
    stage = replace(PRUNING, tcep=TCEP(policy="attention", keep_ratio=0.3, before_pair=2))
    passage = Passage(select(windows(2, FRAMES), stage), hypotheses=1)
    block, x = Block(32, 4, 64, "frames"), tokens()
    for pair, seen in ((0, x.flip(1)), (1, x), (2, x.flip(2))):
        passage.watch(pair, block, seen)
    left = passage.prune(2, x)
    wanted = attention(received(block.norm1(x), block.attn.qkv, 4), left.shape[1])
    assert passage.frames_BN is not None
    assert torch.equal(passage.frames_BN, wanted)
    assert not passage.frames_BN.requires_grad


def configs() -> dict[str, Host]:
    by_tokens = replace(PRUNING, mgptp=MGPTP(keep_ratio=0.2, before_pair=1, source="tokens"))
    made = {"with clustering": models.config("d3dp", "tiny", pruning=by_tokens)}
    made["with context"] = models.config("d3dp", "tiny", pruning=replace(PRUNING, sft=None))
    made["base"] = models.config("d3dp", "base", pruning=PRUNING)
    return made


@pytest.mark.parametrize("config", configs().values(), ids=configs())
def test_cost_is_the_counters(config: Host) -> None:
    cost = models.cost(config)
    assert counted_gmacs(config) == pytest.approx(cost.pass_gmacs - cost.stages["selection"]["other"], rel=1e-9)
    assert cost.stages["selection"]["linear"] > 0
    assert cost.stages["selection"]["attention"] > 0
    assert (cost.window_gmacs == 0) == (config.pruning is None or config.pruning.mgptp is None)
