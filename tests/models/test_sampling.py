"""Which steps flip, and what noise is drawn: what that computes, what it costs, what it refuses."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import models
from models.branch import Branch
from models.contract import Lifter
from models.diffusion import ddim_pairs, q_sample
from models.mirror import mirror
from models.pruning.config import MGPTP, SFT, TCEP, Pruning
from models.sampling import Flip, flips, passes
from tests.models.motion import windows

FRAMES = models.SIZES["tiny"]["frames"]
DIFFUSION = tuple(host for host in models.hosts() if models.config(host).channels)
STEPS = 3


@pytest.fixture(scope="module", params=DIFFUSION)
def lifter(request: pytest.FixtureRequest) -> Lifter:
    return models.build(request.param, size="tiny", seed=0).eval()


def draws(lifter: Lifter, hypotheses: int = 1) -> Tensor:
    shape = (STEPS, 2, hypotheses, FRAMES, 17, lifter.channels)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def lifted(lifter: Lifter, **how: Any) -> Tensor:
    return lifter.lift(windows(2, FRAMES), **{"steps": STEPS, **how})


def test_flip_of_each_step() -> None:
    assert flips(True, 3) == (True, True, True)
    assert flips("last", 3) == (False, False, True)
    assert flips("last", 1) == (True,)
    assert flips(False, 2) == (False, False)


def test_passes_of_each_step() -> None:
    assert passes(5, 3, True) == (10, 10, 10)
    assert passes(5, 3, "last") == (5, 5, 10)
    assert passes(5, 3, "last", Branch(start=1, at_step=2)) == (1, 1, 10)
    assert passes(2, 1, False) == (2,)


def test_last_flips_in_the_last_step_alone(lifter: Lifter) -> None:
    noise = draws(lifter)
    plain, last = lifted(lifter, flip=False, noise=noise), lifted(lifter, flip="last", noise=noise)
    assert torch.equal(last[:, :-1], plain[:, :-1])
    assert not torch.allclose(last[:, -1], plain[:, -1], atol=1e-4)


def test_in_one_step_last_is_every(lifter: Lifter) -> None:
    assert torch.equal(*(lifted(lifter, steps=1, flip=flip) for flip in (True, "last")))


def test_last_averages_with_the_mirrored_window(lifter: Lifter) -> None:
    """The last step of a mirrored window, from the mirrored state, gives the mirrored pose."""
    x2d, noise = windows(2, FRAMES), draws(lifter)
    last = lifter.lift(x2d, steps=1, flip="last", noise=noise[:1])
    mirrored = lifter.lift(mirror(x2d), steps=1, flip="last", noise=mirror(noise[:1]))
    assert torch.allclose(mirror(mirrored), last, atol=1e-5)


@pytest.mark.parametrize("flip", [True, "last", False])
def test_first_draws_x_t_alone(lifter: Lifter, flip: Flip) -> None:
    noise, other = draws(lifter), draws(lifter)
    other[1:] = torch.randn(other[1:].shape, generator=torch.Generator().manual_seed(2))
    first = lifted(lifter, draws="first", flip=flip, noise=noise)
    assert torch.equal(first, lifted(lifter, draws="first", flip=flip, noise=other))
    usual = lifted(lifter, flip=flip, noise=noise)
    assert torch.equal(first[:, 0], usual[:, 0])
    assert not torch.allclose(first[:, 1], usual[:, 1], atol=1e-4)


def test_where_nothing_is_added_the_state_is_the_estimate_as_noised_on_average() -> None:
    lifter, x2d = models.build("d3dp", size="tiny", seed=0).eval(), windows(2, FRAMES)
    found = lifter.lift(x2d, steps=2, flip=False, draws="first", noise=draws(lifter)[:2])
    timesteps = 1000
    (_, _), (time, _) = ddim_pairs(timesteps, 2)
    x_t = q_sample(found[:, 0], torch.zeros_like(found[:, 0]), torch.full((2,), time), timesteps)
    assert torch.allclose(found[:, 1], lifter.denoise(x2d, x_t, torch.full((2,), time)), atol=1e-5)


def test_none_draws_nothing(lifter: Lifter) -> None:
    one, other = (lifted(lifter, draws="none", noise=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert torch.equal(one, other)
    noise = draws(lifter)
    kept = noise.clone()
    silent = torch.zeros_like(noise)
    assert torch.equal(lifted(lifter, draws="none", noise=noise), lifted(lifter, draws="first", noise=silent))
    assert torch.equal(noise, kept)  # what was handed in is left as it was


def test_hypotheses_differ_by_what_they_start_from(lifter: Lifter) -> None:
    found = lifted(lifter, draws="first", hypotheses=2, noise=draws(lifter, 2))
    assert not torch.equal(found[:, -1, 0], found[:, -1, 1])
    alone = lifted(lifter, draws="first", hypotheses=1, noise=draws(lifter, 2)[:, :, :1])
    assert torch.equal(found[:, :, :1], alone)


@pytest.mark.parametrize("host", DIFFUSION)
@pytest.mark.parametrize("schedule", ["constant", "coarse_to_fine"])
@pytest.mark.parametrize("branch", [None, Branch(start=1, at_step=2)])
def test_each_pass_is_counted(host: str, schedule: str, branch: Branch | None) -> None:
    pruning = Pruning(tcep=TCEP(), sft=SFT(), mgptp=MGPTP(before_pair=1), schedule=schedule)  # type: ignore[arg-type]
    lifter = models.build(host, size="tiny", seed=0, pruning=pruning).eval()
    how: dict[str, Any] = {"hypotheses": 2, "steps": STEPS, "flip": "last", "branch": branch}
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        lifter.lift(windows(1, FRAMES), **how)
    cost = lifter.cost(**how)
    assert counter.get_total_flops() / 2e9 == pytest.approx(cost.inference_gmacs, rel=0.005)
    assert sum(cost.inference_stages.values()) == pytest.approx(cost.inference_gmacs)
    if schedule == "constant":
        assert cost.inference_gmacs - cost.window_gmacs == pytest.approx(
            cost.pass_gmacs * sum(passes(2, STEPS, "last", branch))
        )


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"draws": "none", "hypotheses": 2}, r"^hypotheses: draws none makes all .* equal; set it to 1, or .*got 2$"),
        (
            {"draws": "first", "hypotheses": 3, "branch": Branch(at_step=1)},
            r"^branch: draws first adds no noise on the",
        ),
    ],
)
def test_equal_hypotheses_are_refused(how: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lifted(models.build("d3dp", size="tiny", seed=0), **how)


def test_a_deterministic_lifter_flips_last_and_draws_nothing() -> None:
    lifter, x2d = models.build("mixste", size="tiny", seed=0).eval(), windows(1, FRAMES)
    assert torch.equal(lifter.lift(x2d, flip="last"), lifter.lift(x2d))
    assert lifter.cost(flip="last") == lifter.cost(flip=True)
    with pytest.raises(ValueError, match="a deterministic lifter draws nothing, so there is nothing to leave out"):
        lifter.lift(x2d, draws="first")
