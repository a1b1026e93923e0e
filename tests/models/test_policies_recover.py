"""Recovery whose queries are the tokens of before pruning: its cost, its contract, and who asks whom."""

import pytest
import torch

import models
from models.contract import Lifter
from models.htp import Passage, select
from models.pruning.config import MGPTP, SFT, TCEP, Pruning, Recovery
from models.pruning.recover import CrossAttention
from tests.models.motion import windows
from tests.models.test_cost import counted_gmacs, parameters_m

FRAMES = models.SIZES["tiny"]["frames"]
SKIP = Recovery(kind="skip_cross_attention")
PRUNINGS = {
    "tcep": Pruning(tcep=TCEP(), sft=SFT(), recovery=SKIP),
    "tcep before pair 0, context": Pruning(tcep=TCEP(before_pair=0), recovery=SKIP),
    "by tokens": Pruning(tcep=TCEP(policy="dpc_knn", embed_places=True), sft=SFT(), recovery=SKIP),
    "mgptp": Pruning(mgptp=MGPTP(before_pair=1), sft=SFT(focus=3), recovery=SKIP),
    "both": Pruning(tcep=TCEP(before_pair=0), sft=SFT(), mgptp=MGPTP(before_pair=1), recovery=SKIP),
    "nothing is dropped": Pruning(tcep=TCEP(keep_ratio=1.0), recovery=SKIP),
}


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("pruning", PRUNINGS.values(), ids=PRUNINGS)
def test_cost_is_the_counters(pruning: Pruning) -> None:
    config = models.config("d3dp", "tiny", pruning=pruning)
    cost = models.cost(config)
    assert counted_gmacs(config) == pytest.approx(cost.pass_gmacs - cost.stages["selection"]["other"], rel=1e-9)
    assert parameters_m(config) == pytest.approx(cost.params_m, rel=1e-9)
    assert cost.stages["recovery"]["linear"] > 0


@pytest.mark.parametrize("pruning", PRUNINGS.values(), ids=PRUNINGS)
def test_hypotheses_in_one_batch_equal_them_one_by_one(pruning: Pruning) -> None:
    lifter = models.build("d3dp", size="tiny", seed=0, pruning=pruning).eval()
    x2d, t = windows(2, FRAMES), torch.tensor([7, 800])
    xt = torch.randn(2, 3, FRAMES, 17, 3, generator=generator())
    apart = torch.cat([lifter.denoise(x2d, one, t) for one in torch.split(xt, 1, dim=1)], dim=1)
    assert torch.allclose(lifter.denoise(x2d, xt, t), apart, atol=1e-5)


def test_off_is_the_parent() -> None:
    parent = models.build("d3dp", size="tiny", seed=0)
    wanted = parent.lift(windows(1, FRAMES))
    for pruning in (Pruning(recovery=SKIP), Pruning(sft=SFT(), recovery=SKIP)):
        child = models.build("d3dp", size="tiny", seed=0, pruning=pruning)
        assert torch.equal(child.lift(windows(1, FRAMES)), wanted)


def test_each_frame_asks_with_its_own_token_of_before_pruning() -> None:
    layer = CrossAttention(0, 32, 4)
    torch.nn.init.zeros_(layer.proj.weight)
    torch.nn.init.zeros_(layer.proj.bias)
    selection = select(windows(2, FRAMES), PRUNINGS["tcep before pair 0, context"])
    passage = Passage(selection, hypotheses=1)
    tokens = torch.randn(2, FRAMES, 17, 32, generator=generator())
    embedding = torch.randn(FRAMES, 32, generator=generator())
    left = passage.embed(passage.prune(0, tokens), embedding)
    # without an answer only the questions are left, with the embedding that frames get after they were dropped
    assert torch.equal(passage.recover(left * 2, layer), tokens + embedding[:, None])
    with pytest.raises(ValueError, match="needs the tokens of before pruning"):
        layer(left)


@pytest.mark.parametrize("stages", ["both", "nothing is dropped", "mgptp at full count"])
def test_questions_come_from_before_the_first_stage_whatever_it_drops(stages: str) -> None:
    undropped = Pruning(mgptp=MGPTP(before_pair=1, keep_ratio=1.0), recovery=SKIP)
    pruning = PRUNINGS.get(stages, undropped)
    first = min(stage.before_pair for stage in (pruning.tcep, pruning.mgptp) if stage is not None)
    passage = Passage(select(windows(2, FRAMES), pruning), hypotheses=1)
    seen = {}
    left = torch.randn(2, FRAMES, 17, 32, generator=generator())
    for pair in range(3):
        seen[pair] = left
        left = passage.prune(pair, left) + 1
    assert passage.before_BFJC is seen[first]


def test_questions_are_asked_joint_by_joint() -> None:
    layer = CrossAttention(0, 32, 4)
    left, before = (torch.randn(2, count, 17, 32, generator=generator()) for count in (9, FRAMES))
    out = layer(left, before)
    moved = left.clone()
    moved[:, :, 3] += 1 + torch.rand(32)
    assert (layer(moved, before) != out).any(-1).any(1).tolist() == [[joint == 3 for joint in range(17)]] * 2
    moved = before.clone()
    moved[:, 5] += 1
    assert (layer(left, moved) != out).flatten(2).any(-1).tolist() == [[frame == 5 for frame in range(FRAMES)]] * 2


def test_weights_of_one_recovery_do_not_serve_the_other() -> None:
    learned = Recovery(kind="cross_attention")
    for own, other in ((SKIP, learned), (learned, SKIP)):
        lifter: Lifter = models.build("d3dp", size="tiny", seed=0, pruning=Pruning(tcep=TCEP(), recovery=own))
        with pytest.raises(ValueError, match=f"no weights for {other.kind}"):
            lifter.select(windows(1, FRAMES), Pruning(tcep=TCEP(), recovery=other))
        assert lifter.select(windows(1, FRAMES), Pruning(tcep=TCEP(keep_ratio=0.2))) is not None
