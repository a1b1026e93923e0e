"""How lifting is cut and carried out changes its speed and memory, and no pose beyond rounding."""

import itertools
import os
import shutil

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import models
from ablate.compute import LiveBytes
from models import d3dp
from models.branch import Branch
from models.config import Host
from models.contract import Lifter
from models.diffusion import DDIM, State
from models.execution import CACHED, Cut, Execution, slices
from models.kernels import linear
from models.mirror import mirror
from models.mixste import MixSTE
from models.passes import Passes
from models.probing import CANDIDATES, fastest
from models.pruning.config import POLICIES, SFT, TCEP, Pruning
from tests.models.combinations import COMBINATIONS, called, several
from tests.models.motion import windows

FRAMES = models.SIZES["tiny"]["frames"]
ROWS = (1, 3, None, 10_000)
FEW = (3, 10_000)
A_PASS, SAMPLING = 3e-5, 1e-4
COMPILER = shutil.which(os.environ.get("CXX", "g++"))


@pytest.fixture(scope="module", params=COMBINATIONS, ids=called)
def lifter(request: pytest.FixtureRequest) -> Lifter:
    name, host = request.param
    return models.build(name, size="tiny", host=host, seed=0, init="warm").eval()


def draws(lifter: Lifter, count: int, hypotheses: int, steps: int) -> Tensor:
    shape = (steps, count, hypotheses, FRAMES, 17, lifter.channels)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def plainly(lifter: Lifter, x2d: Tensor, noise: Tensor) -> Tensor:
    """Every estimate with flip, by one plain pass after another, each from nothing."""

    def mean(x_t: Tensor, t: int) -> Tensor:
        t_B = torch.full((len(x2d),), t)
        both = lifter.denoise(x2d, x_t, t_B), mirror(lifter.denoise(mirror(x2d), mirror(x_t), t_B))
        return (both[0] + both[1]) / 2

    if not lifter.channels:
        return mean(noise[0], 0)[:, None]
    assert isinstance(lifter, d3dp.Lifter)
    config, estimates = lifter.config, []
    sampler = DDIM(
        timesteps=1000, steps=len(noise), eta=1.0, scale=1.0, state_of=lifter.state_of, resting=lifter.resting
    )
    assert config.pruning is None or config.pruning.schedule == "constant"  # the same selection in every step
    state: State | None = None
    for step, fresh in enumerate(noise):
        x_0, state = sampler.step(lambda x_t, at: mean(x_t, sampler.times[at]), step, fresh, state)
        estimates.append(x_0)
    return torch.stack(estimates, dim=1)


def worst(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def test_every_cut_gives_the_poses_of_plain_passes(lifter: Lifter) -> None:
    count, x2d = several(lifter.config, 2), windows(2, FRAMES)
    for steps, tolerance, some in ((1, A_PASS, ROWS), (count, SAMPLING, FEW)):
        noise = draws(lifter, 2, count, steps)
        wanted = plainly(lifter, x2d, noise)
        for rows in some:
            out = lifter.lift(x2d, hypotheses=count, steps=steps, noise=noise, execution=Execution(rows=rows))
            assert worst(out, wanted) < tolerance, rows


def test_sides_together_equal_sides_apart(lifter: Lifter) -> None:
    x2d, noise = windows(2, FRAMES), draws(lifter, 2, several(lifter.config, 2), 1)[0]
    time = lifter.denoiser.at(torch.tensor([700]))
    together, apart = (
        Passes(lifter.denoiser, x2d, [lifter.select(x2d)], flip=True, together=together) for together in (True, False)
    )
    assert worst(together(noise, time, 0, flip=True), apart(noise, time, 0, flip=True)) < A_PASS
    straight = lifter.denoise(x2d, noise, torch.tensor([700, 700])).detach()
    for passes in (together, apart):
        assert worst(passes(noise, time, 0, flip=False), straight) < A_PASS


PARTS = [
    *(Pruning(tcep=TCEP(policy=policy), sft=SFT()) for policy in POLICIES),
    Pruning(tcep=TCEP()),
    Pruning(tcep=TCEP(), sft=SFT(focus=3)),
]


@pytest.mark.parametrize("pruning", PARTS, ids=itertools.count())
def test_every_kind_of_pruning_is_cut_alike(pruning: Pruning) -> None:
    lifter = models.build("d3dp", size="tiny", seed=0, init="warm", pruning=pruning).eval()
    x2d, noise = windows(2, FRAMES), draws(lifter, 2, 2, 2)
    wanted = plainly(lifter, x2d, noise)
    for rows in FEW:
        out = lifter.lift(x2d, hypotheses=2, steps=2, noise=noise, execution=Execution(rows=rows))
        assert worst(out, wanted) < SAMPLING, rows


@pytest.mark.parametrize("branch", [Branch(start=1, at_step=1), Branch(start=2, at_step=2), Branch(start=3, at_step=1)])
def test_branches_are_the_same_however_they_are_cut(branch: Branch) -> None:
    lifter, x2d = models.build("htp", size="tiny", seed=0).eval(), windows(2, FRAMES)
    noise = draws(lifter, 2, 7, 3)
    one, *others = (
        lifter.lift(x2d, hypotheses=7, steps=3, noise=noise, branch=branch, execution=Execution(rows=rows))
        for rows in (1, 4, None, 10_000)
    )
    assert all(worst(one, other) < SAMPLING for other in others)


def beside(lifter: Lifter, hypotheses: int, steps: int, rows: int | None, branch: Branch | None = None) -> int:
    """The most bytes that lifting holds at once beside its draws and its results."""
    x2d, noise = windows(1, FRAMES), draws(lifter, 1, hypotheses, steps)
    live = LiveBytes()
    with live:
        out = lifter.lift(
            x2d, hypotheses=hypotheses, steps=steps, noise=noise, branch=branch, execution=Execution(rows=rows)
        )
    return live.peak - out.nbytes


@pytest.mark.parametrize("name", ["d3dp", "htp", "ddhpose"])
@pytest.mark.parametrize("rows", [None, 1])
def test_memory_grows_with_neither_hypotheses_nor_steps(name: str, rows: int | None) -> None:
    lifter = models.build(name, size="tiny", seed=0).eval()
    few = beside(lifter, 2, 2, rows)  # the state of the step before is held as well
    poses = 4 * FRAMES * 17 * 3
    assert beside(lifter, 20, 10, rows) < few + 3 * poses
    assert beside(lifter, 20, 10, rows, Branch(start=1, at_step=3)) < few + 3 * poses


def test_memory_grows_with_the_rows_that_go_through_at_once() -> None:
    lifter = models.build("d3dp", size="tiny", seed=0).eval()
    assert beside(lifter, 8, 1, 8) > 3 * beside(lifter, 8, 1, 1)


def test_drawn_noise_is_not_held_twice() -> None:
    lifter = models.build("d3dp", size="tiny", seed=0).eval()
    live = LiveBytes()
    with live:
        out = lifter.lift(windows(1, FRAMES), hypotheses=20, steps=40)
    draws_and_results = 2 * out.nbytes
    assert live.peak < 1.2 * draws_and_results + beside(lifter, 1, 1, None)


@pytest.mark.parametrize("name", models.hosts())
def test_half_precision_is_close_and_is_used(name: str) -> None:
    lifter = models.build(name, size="small", seed=0, frames=FRAMES).eval()
    count, x2d = several(lifter.config, 2), windows(2, FRAMES)
    full, half = (
        lifter.lift(x2d, hypotheses=count, steps=count, execution=Execution(precision=precision))
        for precision in ("32-true", "bf16-mixed")
    )
    away_mm = 1000 * torch.linalg.vector_norm(full - half, dim=-1)
    assert half.dtype == torch.float32
    assert 0 < away_mm.mean() < 5
    assert away_mm.max() < 30


class Counted(MixSTE):
    """A network that counts what it is asked for."""

    def __init__(self, config: Host) -> None:
        super().__init__(config)
        self.windows = self.times = 0

    def known(self, x2d_BFJ2: Tensor) -> Tensor:
        self.windows += len(x2d_BFJ2)
        return super().known(x2d_BFJ2)

    def at(self, t_B: Tensor) -> Tensor | None:
        self.times += len(t_B)
        return super().at(t_B)


def test_what_is_the_same_is_computed_once() -> None:
    """2D poses once a window and side, times once a step, whatever is lifted of them."""

    class Watched(d3dp.Lifter):
        network = Counted
        denoiser: Counted

    lifter = Watched(models.config("htp", size="tiny")).eval()
    for rows in (1, 6):
        lifter.denoiser.windows = lifter.denoiser.times = 0
        lifter.lift(windows(2, FRAMES), hypotheses=4, steps=3, execution=Execution(rows=rows))
        assert (lifter.denoiser.windows, lifter.denoiser.times) == (4, 3)


def test_rows_are_cut_by_the_device() -> None:
    base, tiny = models.config("d3dp"), models.config("d3dp", size="tiny")
    assert Execution().cut(base, "cpu", 16, 5, flip=True) == Cut(1, 1, False)
    most = CACHED // (FRAMES * 17 * 32) // 2
    assert Execution().cut(tiny, "cpu", 1000, 5, flip=True) == Cut(most, 1, True)  # one hypothesis at a time
    windows, hypotheses, together = Execution().cut(base, "cuda", 2, 20, flip=True)
    assert (windows, together) == (2, True)
    assert 2 <= hypotheses <= 20
    assert Execution(rows=12).cut(base, "cpu", 2, 5, flip=True) == Cut(2, 3, True)
    assert Execution(rows=12).cut(base, "cpu", 2, 5, flip=False) == Cut(2, 5, False)
    assert Execution(rows=1).cut(base, "cpu", 2, 5, flip=True) == Cut(1, 1, False)
    with pytest.raises(ValueError, match="rows: must be at least 1, got 0"):
        Execution(rows=0).cut(base, "cpu", 2, 5, flip=True)
    assert [*slices(5, 2)] == [slice(0, 2), slice(2, 4), slice(4, 5)]


def test_no_rows_are_refused_before_anything_is_lifted(lifter: Lifter) -> None:
    with pytest.raises(ValueError, match="rows: must be at least 1"):
        lifter.lift(windows(1, FRAMES), execution=Execution(rows=0))


@pytest.mark.parametrize("gelu", [True, False])
def test_products_in_inference_are_those_of_training_and_are_counted(gelu: bool) -> None:
    x, weight, bias = torch.randn(3, 40, 64), torch.randn(96, 64), torch.randn(96)
    wanted = linear(x, weight, bias, gelu=gelu)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        assert worst(linear(x, weight, bias, gelu=gelu), wanted) < A_PASS
        assert linear(x.double(), weight.double(), bias.double()).dtype == torch.float64
    assert counter.get_total_flops() == 2 * (2 * 3 * 40 * 64 * 96)


def test_results_may_be_learnt_from() -> None:
    """What comes out of ``lift`` is a tensor like any other, though no gradient flows through it."""
    lifter = models.build("d3dp", size="tiny", seed=0).eval()
    factor = torch.ones((), requires_grad=True)
    torch.autograd.backward((lifter.lift(windows(1, FRAMES)) * factor).sum())
    assert factor.grad is not None


def test_a_probe_finds_some_of_its_candidates() -> None:
    lifter = models.build("htp", size="tiny", seed=0).eval()
    found = fastest(lifter, execution=Execution(precision="bf16-mixed"))
    assert found.rows in CANDIDATES
    assert found.precision == "bf16-mixed"
    assert fastest(models.build("mixste", size="tiny", seed=0).eval(), flip=False).rows in CANDIDATES


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None and "ABLATE_CI" not in os.environ, reason="no C++ compiler on this machine")
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method.:DeprecationWarning")  # of torch's compiler itself
@pytest.mark.parametrize("name", ["d3dp", "htp", "mixste"])
def test_what_torch_compiles_gives_the_same_poses(name: str) -> None:
    lifter, x2d = models.build(name, size="tiny", seed=0, init="warm").eval(), windows(2, FRAMES)
    count = several(lifter.config, 2)
    noise = draws(lifter, 2, count, count)
    plain, compiled = (
        lifter.lift(x2d, hypotheses=count, steps=count, noise=noise, execution=Execution(compiled=compiled))
        for compiled in (False, True)
    )
    assert worst(plain, compiled) < SAMPLING
