"""Hypotheses that branch on the way: what they share, where they part, what that costs."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import models
from models.branch import Branch, running
from models.contract import Lifter
from models.pruning.config import MGPTP, SFT, TCEP, Pruning
from tests.models.motion import windows

FRAMES = models.SIZES["tiny"]["frames"]
DIFFUSION = tuple(host for host in models.hosts() if models.config(host).channels)
STEPS = 3


@pytest.fixture(scope="module", params=DIFFUSION)
def lifter(request: pytest.FixtureRequest) -> Lifter:
    return models.build(request.param, size="tiny", seed=0).eval()


def lifted(lifter: Lifter, hypotheses: int, branch: Branch | None, noise: Tensor | None = None) -> Tensor:
    return lifter.lift(windows(2, FRAMES), hypotheses=hypotheses, steps=STEPS, noise=noise, branch=branch)


@pytest.mark.parametrize(("start", "at_step"), [(1, 1), (1, 2), (2, 1)])
def test_a_branch_goes_on_from_its_own_with_fresh_noise(lifter: Lifter, start: int, at_step: int) -> None:
    """It is the hypothesis that has the draws of the one it comes from, and its own after that."""
    draws = torch.randn(STEPS, 2, 5, FRAMES, 17, lifter.channels, generator=torch.Generator().manual_seed(1))
    followed = draws.clone()
    followed[:at_step] = draws[:at_step, :, torch.arange(5) % start]
    branched = lifted(lifter, 5, Branch(start=start, at_step=at_step), draws)
    assert torch.equal(branched, lifted(lifter, 5, None, followed))
    for one, other in itertools.combinations(range(5), 2):
        assert torch.equal(branched[:, at_step - 1, one], branched[:, at_step - 1, other]) == (
            one % start == other % start
        )
        assert not torch.equal(branched[:, at_step, one], branched[:, at_step, other])


def test_as_many_from_the_start_are_no_branch(lifter: Lifter) -> None:
    assert torch.equal(lifted(lifter, 2, Branch(start=2, at_step=1)), lifted(lifter, 2, None))


def test_first_hypotheses_of_many_are_those_of_few(lifter: Lifter) -> None:
    many, few = (lifted(lifter, count, Branch(start=2, at_step=2)) for count in (4, 3))
    assert torch.equal(many[:, :, :3], few)
    assert torch.equal(many[:, :, :2], lifted(lifter, 2, None))


@pytest.mark.parametrize("host", DIFFUSION)
@pytest.mark.parametrize("schedule", ["constant", "coarse_to_fine"])
def test_shared_steps_are_not_repeated(host: str, schedule: str) -> None:
    """One hypothesis goes through at a time here, so the counter sees each pass that is made."""
    pruning = Pruning(tcep=TCEP(), sft=SFT(), mgptp=MGPTP(before_pair=1), schedule=schedule)  # type: ignore[arg-type]
    lifter, branch = models.build(host, size="tiny", seed=0, pruning=pruning).eval(), Branch(start=2, at_step=2)
    for flip in (True, False):
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            lifter.lift(windows(1, FRAMES), hypotheses=5, steps=STEPS, flip=flip, branch=branch)
        cost = lifter.cost(hypotheses=5, steps=STEPS, flip=flip, branch=branch)
        assert counter.get_total_flops() / 2e9 == pytest.approx(cost.inference_gmacs, rel=0.005)
        whole = lifter.cost(hypotheses=5, steps=STEPS, flip=flip)
        stages = whole.inference_stages
        assert replace(cost, inference_gmacs=whole.inference_gmacs, inference_stages=stages) == whole
        if schedule == "constant":
            saved = (whole.inference_gmacs - cost.inference_gmacs) / (whole.pass_gmacs * (2 if flip else 1))
            assert saved == pytest.approx(3 * 2)  # 2 + 2 + 5 passes for 15


def test_hypotheses_of_each_step() -> None:
    assert running(Branch(start=1, at_step=3), 5, 5) == (1, 1, 1, 5, 5)
    assert running(None, 5, 2) == (5, 5)


@pytest.mark.parametrize(
    ("branch", "steps", "eta", "message"),
    [
        (Branch(start=3, at_step=1), 3, 1.0, r"branch\.start: must lie in 1\.\.2 .*got 3"),
        (Branch(start=0, at_step=1), 3, 1.0, r"branch\.start: must lie in 1\.\.2"),
        (Branch(at_step=0), 3, 1.0, r"branch\.at_step: must lie in 1\.\.2 \(there are 3 steps\), got 0"),
        (Branch(at_step=3), 3, 1.0, r"branch\.at_step: must lie in 1\.\.2 \(there are 3 steps\), got 3"),
        (Branch(at_step=1), 1, 1.0, r"branch\.at_step: there is nothing before a first step"),
        (Branch(at_step=1), 3, 0.0, "eta: without fresh noise all branches of a hypothesis are equal"),
    ],
)
def test_what_does_not_fit_is_refused(branch: Branch, steps: int, eta: float, message: str) -> None:
    lifter = models.build("d3dp", size="tiny", seed=0)
    with pytest.raises(ValueError, match=message):
        lifter.lift(windows(1, FRAMES), hypotheses=2, steps=steps, eta=eta, branch=branch)


def test_a_deterministic_lifter_has_none() -> None:
    for host in set(models.hosts()) - set(DIFFUSION):
        with pytest.raises(ValueError, match="so none can branch"):
            models.build(host, size="tiny", seed=0).lift(windows(1, FRAMES), branch=Branch(at_step=1))
