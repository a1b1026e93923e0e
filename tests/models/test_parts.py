"""The contract over every policy and every recovery on every host, at size tiny.

Policies are what ``POLICIES`` holds when the tests are collected: one that is added to the package runs through all of
this without a line here. One of a plugin comes in through the same dict, as the last test shows.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import models
from models.contract import Lifter
from models.pruning.config import MGPTP, POLICIES, SFT, TCEP, ByTokens, Pruning, Recovery, by_tokens
from models.pruning.tcep import Graph
from tests.conftest import ROOT
from tests.models.combinations import RECOVERIES, several
from tests.models.motion import poses, still, windows
from tests.models.test_cost import counted_gmacs, parameters_m, ptflops_gmacs

FRAMES = models.SIZES["tiny"]["frames"]
KEPT, CLUSTERS = 8, 5  # of the 27 frames


def by_policy(policy: str) -> Pruning:
    return Pruning(tcep=TCEP(policy=policy, keep_ratio=None, keep_frames=KEPT), sft=SFT())


def by_recovery(kind: Any) -> Pruning:
    both = replace(by_policy("tcep"), mgptp=MGPTP(keep_ratio=None, clusters=CLUSTERS, before_pair=1))
    return replace(both, recovery=Recovery(kind=kind))


PARTS = {
    **{f"policy {policy}": by_policy(policy) for policy in POLICIES},
    **{f"recovery {kind}": by_recovery(kind) for kind in RECOVERIES},
}


@pytest.fixture(params=PARTS)
def pruning(request: pytest.FixtureRequest) -> Pruning:
    return PARTS[request.param]


@pytest.fixture(params=models.hosts())
def lifter(request: pytest.FixtureRequest, pruning: Pruning) -> Lifter:
    return models.build(request.param, size="tiny", seed=0, pruning=pruning)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def check_lifts(lifter: Lifter) -> None:
    """Finite poses, the same each time, also of a window in which nothing moves."""
    count = several(lifter.config, 2)
    for x2d in (windows(2, FRAMES), still(1, FRAMES)):
        out = lifter.lift(x2d, hypotheses=count, steps=count)
        assert out.shape == (len(x2d), count, count, FRAMES, 17, 3)
        assert out.isfinite().all()
        assert torch.equal(out, lifter.lift(x2d, hypotheses=count, steps=count))


def check_counts(lifter: Lifter) -> None:
    """Every pair works on as many frames as the config says; what is chosen rises, and is within the window."""
    pruning = lifter.config.pruning
    assert pruning is not None
    assert pruning.tcep is not None
    seen: list[int] = []
    hooks = [
        block.register_forward_pre_hook(lambda block, given: seen.append(given[0].shape[1]))
        for block in (*lifter.denoiser.spatial, *lifter.denoiser.temporal)
    ]
    selection = lifter.select(windows(3, FRAMES))
    lifter.lift(windows(3, FRAMES), flip=False)
    for hook in hooks:
        hook.remove()
    left = KEPT if pruning.mgptp is None else CLUSTERS
    assert seen == [FRAMES, FRAMES, left, left]
    assert selection is not None
    chosen = [] if by_tokens(pruning.tcep.policy) else [(selection.tcep_BN, KEPT)]
    for kept_BN, count in [*chosen, *([] if pruning.mgptp is None else [(selection.mgptp_BM, CLUSTERS)])]:
        assert kept_BN is not None
        assert kept_BN.shape == (3, count)
        assert (kept_BN.diff(dim=1) > 0).all()
        assert (kept_BN[:, 0] == 0).all()
        assert (kept_BN[:, -1] == FRAMES - 1).all()


def check_trains(lifter: Lifter) -> None:
    """One step: gradient reaches every parameter that learns, and the poses change."""
    x2d, x3d = windows(2, FRAMES), poses(2, FRAMES)
    before = lifter.lift(x2d)
    learning = {name: weight for name, weight in lifter.named_parameters() if weight.requires_grad}
    torch.autograd.backward(lifter.train().loss(x2d, x3d, generator=generator()))
    assert not [name for name, weight in learning.items() if weight.grad is None or not weight.grad.abs().sum() > 0]
    torch.optim.SGD(learning.values(), lr=1e-2).step()
    after = lifter.eval().lift(x2d)
    error = torch.linalg.vector_norm(after[:, -1, 0] - x3d, dim=-1).mean()
    assert error.isfinite()
    assert not torch.equal(after, before)


def check_cost(lifter: Lifter) -> None:
    """The closed form, torch's counter, ptflops and the weights themselves."""
    cost = lifter.cost()
    counted = counted_gmacs(lifter.config)
    assert counted == pytest.approx(cost.pass_gmacs, rel=0.005)
    # but for comparisons of tokens, which are no products to the counter, it is the very same number
    assert counted == pytest.approx(cost.pass_gmacs - cost.stages["selection"]["other"], rel=1e-9)
    assert ptflops_gmacs(lifter) == pytest.approx(cost.pass_gmacs, rel=0.015)
    assert parameters_m(lifter.config) == pytest.approx(cost.params_m, rel=1e-9)


CHECKS = (check_lifts, check_counts, check_trains, check_cost)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_contract(lifter: Lifter, check: Callable[[Lifter], None]) -> None:
    check(lifter)


def test_weights_are_read_again(lifter: Lifter, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(models.serialised(lifter))
    assert torch.equal(models.load(path).lift(windows(1, FRAMES)), lifter.lift(windows(1, FRAMES)))


@pytest.mark.parametrize("host", models.hosts())
@pytest.mark.parametrize("policy", POLICIES)
def test_all_kept_is_the_host(policy: str, host: str) -> None:
    whole = Pruning(tcep=TCEP(policy=policy, keep_ratio=1.0), sft=SFT())
    child, parent = (models.build(host, size="tiny", seed=0, pruning=part) for part in (whole, None))
    assert torch.equal(child.lift(windows(1, FRAMES)), parent.lift(windows(1, FRAMES)))


def illegal() -> dict[str, tuple[Pruning, str]]:
    """What can't be put together, and what is said of it."""
    clusters, at_start = MGPTP(before_pair=1), Pruning(tcep=TCEP(policy="attention", before_pair=0), sft=SFT())
    merging = by_policy("merge")
    found = {
        "merge, clustering": (replace(merging, mgptp=clusters), r"tcep\.policy: merge merges frames"),
        "merge, dense attention": (replace(merging, sft=None), r"tcep\.policy: merge merges frames"),
        "merge, focus": (replace(merging, sft=SFT(focus=3)), r"tcep\.policy: merge merges frames"),
        "attention, no pair before": (at_start, r"tcep\.before_pair: must be at least 1: attention looks at"),
    }
    for policy in POLICIES:
        if (kind := by_tokens(policy)) is not None and not kind.merges:
            both = replace(by_policy(policy), mgptp=clusters)
            found[f"{policy}, descriptors"] = (both, rf"mgptp\.source: {policy} chooses by each pass's tokens")
    return found


@pytest.mark.parametrize("host", models.hosts())
@pytest.mark.parametrize("name", illegal())
def test_what_does_not_go_together_is_refused(name: str, host: str) -> None:
    pruning, message = illegal()[name]
    with pytest.raises(ValueError, match=message):
        models.config(host, "tiny", pruning=pruning)
    with pytest.raises(ValueError, match=message):
        models.build(host, "tiny").select(windows(1, FRAMES), pruning)


(EXAMPLE,) = re.findall(r"```python\n(def .*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)


def by_window() -> Callable[[Graph, int], Tensor]:
    """The policy that CONTRIBUTING shows."""
    names: dict[str, Any] = {"torch": torch, "Graph": Graph, "Tensor": Tensor}
    exec(EXAMPLE, names)
    found: Callable[[Graph, int], Tensor] = names["ends"]
    return found


def largest(x_BFJC: Tensor, count: int) -> Tensor:
    return x_BFJC.square().mean((2, 3)).topk(count).indices.sort(1).values


@pytest.mark.parametrize("host", ["mixste", "d3dp"])
@pytest.mark.parametrize("policy", [by_window(), ByTokens(largest, lambda frames, width: {})], ids=["window", "tokens"])
def test_a_policy_from_outside_meets_the_same_contract(host: str, policy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(POLICIES, "outside", policy)
    for check in CHECKS:
        check(models.build(host, size="tiny", seed=0, pruning=by_policy("outside")))
