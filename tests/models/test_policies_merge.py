"""Merging along time: which frames become one, what attention makes of a group, its cost, its contract."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import models
from models.config import Host
from models.htp import Passage, select
from models.layers import Block
from models.pruning import merge
from models.pruning.config import SFT, TCEP, Pruning, Recovery
from tests.models.motion import poses, windows
from tests.models.test_cost import counted_gmacs, parameters_m

FRAMES = models.SIZES["tiny"]["frames"]
PRUNING = Pruning(tcep=TCEP(policy="merge", keep_ratio=0.3), sft=SFT())
AT_START = replace(PRUNING, tcep=TCEP(policy="merge", keep_ratio=0.3, before_pair=0))


def tokens(count: int = 2, frames: int = FRAMES, seed: int = 0) -> Tensor:
    return torch.randn(count, frames, 17, 32, generator=torch.Generator().manual_seed(seed))


def test_runs_of_like_frames_become_one() -> None:
    scenes = tokens(1, 4)
    x = scenes.repeat_interleave(torch.tensor([5, 1, 3, 2]), dim=1)
    firsts = merge.merge(x, 4)
    assert firsts.tolist() == [[0, 5, 6, 9]]
    assert merge.sizes(firsts, 11).tolist() == [[5, 1, 3, 2]]
    assert torch.allclose(merge.means(x, firsts), scenes, atol=1e-6)
    assert torch.equal(merge.unmerge(scenes, firsts, 11), x)


@pytest.mark.parametrize("count", [2, 3, 9, 26, 27])
def test_groups_are_counted_exactly_and_hold_every_frame_once(count: int) -> None:
    for x in (tokens(), torch.ones(2, FRAMES, 17, 32)):
        firsts = merge.merge(x, count)
        assert firsts.shape == (2, count)
        assert (firsts[:, 0] == 0).all()
        assert (firsts.diff(dim=1) > 0).all()
        assert merge.sizes(firsts, FRAMES).sum(1).tolist() == [FRAMES] * 2
        means = merge.means(x, firsts)
        by_hand = [part.mean(0) for part in torch.tensor_split(x[1], firsts[1, 1:].cpu())]
        assert torch.allclose(means[1], torch.stack(by_hand), atol=1e-6)


def test_a_group_is_attended_to_as_all_its_frames() -> None:
    """Where the frames of every group are equal, merging them changes nothing at all."""
    lengths = torch.tensor([9, 1, 4, 6, 1, 2, 3, 1])  # 8 = 0.3 x 27
    x = tokens(2, len(lengths)).repeat_interleave(lengths, dim=1)
    block = Block(32, 4, 64, "frames")
    passage = Passage(select(windows(2, FRAMES), AT_START), hypotheses=1)
    left = passage.prune(0, x)
    assert left.shape[1] == len(lengths)
    recovered = passage.recover(block(left, mask_BFF=passage.mask_BNN), None)
    assert torch.allclose(recovered, block(x), atol=1e-5)
    assert not torch.allclose(passage.recover(block(left), None), block(x), atol=1e-3)


def test_groups_get_the_mean_of_their_frames_embeddings() -> None:
    passage, embedding = Passage(select(windows(2, FRAMES), AT_START), hypotheses=1), tokens(1)[0, :, 0]
    x = tokens()
    left = passage.prune(0, x)
    assert passage.frames_BN is not None
    wanted = merge.means(x + embedding[:, None], passage.frames_BN)
    assert torch.allclose(passage.embed(left, embedding), wanted, atol=1e-5)


def test_gradient_reaches_every_frame_of_a_group() -> None:
    x = tokens().requires_grad_()
    torch.autograd.backward(merge.means(x, merge.merge(x, 5)).square().sum())
    assert x.grad is not None
    assert (x.grad.abs().amax((2, 3)) > 0).all()


def configs() -> dict[str, Host]:
    made = {}
    for kind in ("cross_attention", "skip_cross_attention"):
        made[kind] = models.config("d3dp", "tiny", pruning=replace(AT_START, recovery=Recovery(kind=kind)))
    made["base"] = models.config("d3dp", "base", pruning=PRUNING)
    return made


@pytest.mark.parametrize("config", configs().values(), ids=configs())
def test_cost_is_the_counters(config: Host) -> None:
    cost = models.cost(config)
    assert counted_gmacs(config) == pytest.approx(cost.pass_gmacs - cost.stages["selection"]["other"], rel=1e-9)
    assert parameters_m(config) == pytest.approx(cost.params_m, rel=1e-9)
    assert cost.stages["selection"]["other"] == (config.frames - 1) * config.width / 1e9


@pytest.mark.parametrize("name", [name for name in configs() if name != "base"])
def test_the_contract_holds(name: str, tmp_path: Path) -> None:
    lifter = models.build(configs()[name], seed=0)
    x2d = windows(2, FRAMES)
    assert torch.equal(lifter.lift(x2d), lifter.lift(x2d))
    torch.autograd.backward(lifter.loss(x2d, poses(2, FRAMES), generator=torch.Generator().manual_seed(0)))
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in lifter.parameters() if p.requires_grad)
    with torch.autocast("cpu", torch.bfloat16):
        assert lifter.loss(x2d, poses(2, FRAMES), generator=torch.Generator().manual_seed(0)).isfinite()
    path = tmp_path / "w.safetensors"
    path.write_bytes(models.serialised(lifter))
    assert torch.equal(models.load(path).lift(x2d), lifter.lift(x2d))
