"""Off equals the parent, bit for bit; and any subset of the stages runs, down to the smallest windows."""

import itertools
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor

import models
from models.contract import Lifter
from models.htp import Selection
from models.pruning.config import MGPTP, SFT, TCEP, Pruning, Recovery
from tests.models.combinations import several
from tests.models.motion import poses, windows

FRAMES = models.SIZES["tiny"]["frames"]
WHOLE = TCEP(keep_ratio=1.0)
OFF = {
    "none": None,
    "no stage": Pruning(),
    "tcep keeps all": Pruning(tcep=WHOLE),
    "all kept": Pruning(tcep=WHOLE, sft=SFT(), mgptp=MGPTP(keep_ratio=1.0, before_pair=1)),
    "all kept, by tokens": Pruning(tcep=WHOLE, sft=SFT(), mgptp=MGPTP(keep_ratio=1.0, source="tokens", before_pair=1)),
    "all kept, uniform": Pruning(tcep=replace(WHOLE, policy="uniform")),
    "all kept, by the tokens of a pass": Pruning(tcep=replace(WHOLE, policy="dpc_knn", embed_places=True)),
    "sft has nothing to leave out": Pruning(sft=SFT()),
    "focus on everything": Pruning(tcep=WHOLE, sft=SFT(focus=FRAMES)),
    "nothing to recover": Pruning(recovery=Recovery(kind="cross_attention")),
}
SOME = [
    Pruning(tcep=tcep, sft=sft, mgptp=mgptp, recovery=recovery)
    for tcep, sft, mgptp, recovery in itertools.product(
        (
            None,
            TCEP(keep_ratio=0.5, before_pair=0),
            TCEP(keep_ratio=0.5, before_pair=0, policy="dpc_knn", embed_places=True),
        ),
        (None, SFT(), SFT(focus=2)),
        (
            None,
            MGPTP(keep_ratio=0.3, before_pair=1),
            MGPTP(keep_ratio=0.3, before_pair=1, source="tokens"),
            MGPTP(keep_ratio=0.3, before_pair=1, policy="uniform"),
        ),
        (Recovery(), Recovery(kind="cross_attention")),
    )
    if tcep is None or mgptp is None or tcep.policy != "dpc_knn" or mgptp.compares_tokens
]


def passed(lifter: Lifter, x2d: Tensor, count: int, selection: Selection | Literal["compute"] | None) -> Tensor:
    """One pass of ``count`` hypotheses, of one where the lifter is deterministic."""
    draws = torch.randn(2, count, FRAMES, 17, lifter.channels, generator=torch.Generator().manual_seed(0))
    xt = draws[:, : several(lifter.config, count)]
    return lifter.denoise(x2d, xt, torch.tensor([7, 800]), selection)


@pytest.fixture(scope="module", params=models.hosts())
def parent(request: pytest.FixtureRequest) -> Lifter:
    return models.build(request.param, size="tiny", seed=0)


def child_of(parent: Lifter, pruning: Pruning | None, seed: int = 1) -> Lifter:
    return models.build(replace(parent.config, pruning=pruning), seed=seed)


@pytest.mark.parametrize("pruning", OFF.values(), ids=OFF)
def test_off_is_the_parent(parent: Lifter, pruning: Pruning | None) -> None:
    child = child_of(parent, pruning)
    child.load_state_dict(parent.state_dict())
    x2d, x3d = windows(2, FRAMES), poses(2, FRAMES)
    hypotheses, steps = several(parent.config, 2), several(parent.config, 3)
    for one in (child, parent):
        one.eval()
    assert torch.equal(passed(child, x2d, 3, "compute"), passed(parent, x2d, 3, "compute"))
    for flip in (True, False):
        outs = [lifter.lift(x2d, hypotheses=hypotheses, steps=steps, flip=flip) for lifter in (child, parent)]
        assert torch.equal(*outs)
    losses = [m.loss(x2d, x3d, generator=torch.Generator().manual_seed(0)) for m in (child.train(), parent.train())]
    assert losses[0].item() == losses[1].item()


def test_a_seed_gives_host_and_variant_the_same_weights(parent: Lifter) -> None:
    pruning = Pruning(tcep=TCEP(), recovery=Recovery(kind="cross_attention"))
    fresh, learned = (child_of(parent, part, seed=0).state_dict() for part in (None, pruning))
    assert all(torch.equal(tensor, learned[name]) for name, tensor in fresh.items())
    for name in ("htp", "htp_fast", "htp_max"):
        host = models.host_of(parent.config)
        assert models.build(name, size="tiny", host=host).state_dict().keys() == fresh.keys()


def test_weights_serve_any_ratio_and_dense(parent: Lifter) -> None:
    htp = models.build("htp", size="tiny", host=models.host_of(parent.config)).eval()
    htp.load_state_dict(parent.eval().state_dict())
    x2d = windows(2, FRAMES)
    dense = passed(htp, x2d, 1, None)
    assert torch.equal(dense, passed(parent, x2d, 1, "compute"))
    assert htp.select(x2d, Pruning()) is None
    for policy in ("tcep", "dpc_knn"):
        other = Pruning(tcep=TCEP(keep_ratio=0.2, policy=policy), sft=SFT())
        pruned = passed(htp, x2d, 1, htp.select(x2d, other))
        assert torch.equal(pruned, passed(parent, x2d, 1, parent.select(x2d, other)))
        assert not torch.equal(pruned, dense)


@pytest.mark.parametrize("frames", [1, 2, 3, 9])
def test_every_subset_of_stages_runs_on_small_windows(frames: int) -> None:
    x2d, x3d = windows(2, frames), poses(2, frames)
    for pruning in SOME:
        lifter = models.build("d3dp", size="tiny", seed=0, frames=frames, pruning=_fitting(pruning, frames)).train()
        torch.autograd.backward(lifter.loss(x2d, x3d, generator=torch.Generator().manual_seed(0)))
        out = lifter.lift(x2d, hypotheses=2, flip=frames == 3)
        assert out.isfinite().all(), pruning


def _fitting(pruning: Pruning, frames: int) -> Pruning:
    """No focus on more frames than there are."""
    if pruning.sft is None or pruning.sft.focus is None:
        return pruning
    return replace(pruning, sft=SFT(focus=min(2, frames)))


def test_hypotheses_in_one_batch_equal_them_one_by_one() -> None:
    x2d, xt, t = windows(2, FRAMES), torch.randn(2, 3, FRAMES, 17, 3), torch.tensor([7, 800])
    for pruning in SOME:
        lifter = models.build("d3dp", size="tiny", seed=0, pruning=pruning)
        together = lifter.denoise(x2d, xt, t)
        apart = torch.cat([lifter.denoise(x2d, one, t) for one in torch.split(xt, 1, dim=1)], dim=1)
        assert torch.allclose(together, apart, atol=1e-5), pruning


def test_focus_changes_the_result() -> None:
    x2d, xt, t = windows(2, FRAMES), torch.randn(2, 1, FRAMES, 17, 3), torch.tensor([7, 800])
    outs = []
    for sft in (SFT(), SFT(focus=4), None):
        lifter = models.build("d3dp", size="tiny", seed=0, pruning=Pruning(tcep=TCEP(), sft=sft))
        outs.append(lifter.denoise(x2d, xt, t))
    assert not any(torch.allclose(a, b, atol=1e-4) for a, b in itertools.combinations(outs, 2))
