"""Schedules over the denoising steps: how many frames each step keeps and which; the weights know nothing of it."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import models
from models import d3dp
from models.config import Host
from models.contract import Lifter
from models.execution import Execution
from models.htp import Selection, scheduled, select
from models.mixste import MixSTE
from models.pruning.config import MGPTP, SFT, TCEP, Pruning, Recovery
from models.pruning.schedule import at_steps
from tests.models.motion import poses, windows

FRAMES = models.SIZES["tiny"]["frames"]
DIFFUSION = tuple(host for host in models.hosts() if models.config(host).channels)
HTP = Pruning(tcep=TCEP(), sft=SFT(), mgptp=MGPTP(before_pair=1))
Schedule = Literal["constant", "coarse_to_fine", "fine_to_coarse"]
CHANGING: tuple[Schedule, Schedule] = ("coarse_to_fine", "fine_to_coarse")


def counts(pruning: Pruning, frames: int, steps: int) -> list[tuple[int, int]]:
    return [step.kept(frames) for step in at_steps(pruning, frames, steps)]


def build(pruning: Pruning | None, host: str = "d3dp", **fields: Any) -> Lifter:
    return models.build(host, size="tiny", seed=0, pruning=pruning, **fields).eval()


def test_counts_grow_or_shrink_around_the_configured_ones() -> None:
    assert counts(HTP, FRAMES, 4) == [(14, 7)] * 4
    rising = counts(replace(HTP, schedule="coarse_to_fine"), FRAMES, 5)
    assert rising == [(7, 4), (11, 5), (14, 7), (18, 9), (21, 11)]
    assert counts(replace(HTP, schedule="fine_to_coarse"), FRAMES, 5) == rising[::-1]
    # 24 of 27 can grow by an eighth and no more, so they shrink by as much
    much = Pruning(tcep=TCEP(keep_ratio=None, keep_frames=24), mgptp=MGPTP(), schedule="coarse_to_fine")
    assert counts(much, FRAMES, 3) == [(21, 6), (24, 7), (27, 8)]


@pytest.mark.parametrize("schedule", CHANGING)
def test_one_step_and_stages_that_are_off_stay_as_configured(schedule: Schedule) -> None:
    assert counts(replace(HTP, schedule=schedule), FRAMES, 1) == [(14, 7)]
    for off in (Pruning(), Pruning(tcep=TCEP(keep_ratio=1.0)), Pruning(sft=SFT(focus=3))):
        assert counts(replace(off, schedule=schedule), FRAMES, 3) == [(FRAMES, FRAMES)] * 3
    # a stage that keeps all frames is no bound for the other
    alone = Pruning(tcep=TCEP(keep_ratio=1.0), mgptp=MGPTP(keep_ratio=0.5), schedule=schedule)
    assert sorted(counts(alone, FRAMES, 3)) == [(27, 7), (27, 14), (27, 21)]


@pytest.mark.parametrize("frames", [2, 3, 9, 81, 243])
def test_no_step_outgrows_what_is_there_and_the_mean_stays(frames: int) -> None:
    ratios = (0.05, 1 / 3, 0.5, 0.61, 0.97, 1.0)
    for keep, clusters, steps in itertools.product(ratios, ratios, (2, 3, 5, 10)):
        pruning = Pruning(tcep=TCEP(keep_ratio=keep), mgptp=MGPTP(keep_ratio=clusters), schedule="coarse_to_fine")
        if list(pruning.problems(frames, 8)):
            continue  # more clusters than frames
        found = counts(pruning, frames, steps)
        assert all(min(2, frames) <= second <= first <= frames for first, second in found)
        assert found == sorted(found)
        for stage in (0, 1):
            configured = pruning.kept(frames)[stage]
            assert abs(sum(kept[stage] for kept in found) / steps - configured) <= 0.5 or configured < 4


@pytest.mark.parametrize("schedule", CHANGING)
def test_each_step_has_its_frames_from_one_graph(schedule: Schedule) -> None:
    x2d, pruning = windows(2, FRAMES), replace(HTP, schedule=schedule)
    found = scheduled(x2d, pruning, 5)
    for selection, (kept, clusters) in zip(found, counts(pruning, FRAMES, 5), strict=True):
        assert selection is not None
        assert selection.tcep_BN is not None
        assert selection.mgptp_BM is not None
        assert (selection.tcep_BN.shape, selection.mgptp_BM.shape) == ((2, kept), (2, clusters))
        assert (selection.tcep_BN.diff() > 0).all()
        assert (selection.tcep_BN[:, [0, -1]] == torch.tensor([0, FRAMES - 1])).all()
    # the middle step keeps the configured counts, and of the same graph: so the very same frames
    middle, plain = found[2], select(x2d, HTP)
    assert middle is not None
    assert plain is not None
    assert torch.equal(middle.tcep_BN, plain.tcep_BN)  # type: ignore[arg-type]
    assert torch.equal(middle.mgptp_BM, plain.mgptp_BM)  # type: ignore[arg-type]


def test_steps_that_keep_as_many_share_a_selection() -> None:
    x2d = windows(1, FRAMES)
    assert len({id(selection) for selection in scheduled(x2d, HTP, 4)}) == 1
    few = Pruning(tcep=TCEP(keep_ratio=None, keep_frames=3), schedule="coarse_to_fine")
    found = scheduled(x2d, few, 5)  # 1.5, 2.25, 3, 3.75 and 4.5 frames
    assert [id(selection) for selection in found[:2]] == [id(found[0])] * 2
    assert len({id(selection) for selection in found}) == 4
    whole = scheduled(x2d, Pruning(tcep=TCEP(keep_ratio=0.9), schedule="fine_to_coarse"), 2)
    assert whole[0] is None  # a step that keeps everything is dense
    assert whole[1] is not None


class Watched(MixSTE):
    """D3DP's network, which notes the frames that each of its passes keeps."""

    def denoised(
        self,
        known_BFJC: Tensor,
        xt_BHFJA: Tensor,
        time_BC: Tensor | None,
        selection: Selection | None = None,
        keep_LBS: Tensor | None = None,
        *,
        half: bool = False,
    ) -> Tensor:
        assert selection is not None
        self.kept.append(selection.pruning.kept(FRAMES))
        return super().denoised(known_BFJC, xt_BHFJA, time_BC, selection, keep_LBS, half=half)

    def __init__(self, config: Host) -> None:
        super().__init__(config)
        self.kept: list[tuple[int, int]] = []


class WatchedLifter(d3dp.Lifter):
    network = Watched
    denoiser: Watched


@pytest.mark.parametrize("schedule", CHANGING)
def test_all_hypotheses_and_both_flips_keep_what_the_step_keeps(schedule: Schedule) -> None:
    pruning = replace(HTP, schedule=schedule)
    lifter = WatchedLifter(models.config("d3dp", "tiny", pruning=pruning))
    lifter.lift(windows(1, FRAMES), hypotheses=2, steps=3, execution=Execution(rows=1))
    assert lifter.denoiser.kept == [kept for _ in range(2) for kept in counts(pruning, FRAMES, 3) for _ in range(2)]


@pytest.mark.parametrize("host", DIFFUSION)
def test_a_schedule_changes_what_is_lifted_where_there_are_steps(host: str) -> None:
    pruning = replace(HTP, tcep=TCEP(before_pair=1))
    x2d = windows(1, FRAMES)

    def lifted(schedule: Schedule, steps: int) -> Tensor:
        return build(replace(pruning, schedule=schedule), host).lift(x2d, hypotheses=2, steps=steps)

    rising, falling, constant = (lifted(schedule, 3) for schedule in (*CHANGING, "constant"))
    for one, other in itertools.combinations((rising, falling, constant), 2):
        assert not torch.equal(one[:, -1], other[:, -1])
    assert all(torch.equal(lifted(schedule, 1), lifted("constant", 1)) for schedule in CHANGING)


@pytest.mark.parametrize("schedule", CHANGING)
@pytest.mark.parametrize(
    "off", [Pruning(), Pruning(tcep=TCEP(keep_ratio=1.0), sft=SFT(), mgptp=MGPTP(keep_ratio=1.0, before_pair=1))]
)
def test_off_is_the_parent(off: Pruning, schedule: Schedule) -> None:
    x2d = windows(2, FRAMES)
    outs = [build(pruning).lift(x2d, hypotheses=2, steps=3) for pruning in (replace(off, schedule=schedule), None)]
    assert torch.equal(*outs)


PARTS = {
    "merge": Pruning(tcep=TCEP(policy="merge"), sft=SFT()),
    "dpc_knn": Pruning(tcep=TCEP(policy="dpc_knn"), sft=SFT()),
    "attention, clusters by tokens": Pruning(
        tcep=TCEP(policy="attention"), sft=SFT(), mgptp=MGPTP(before_pair=1, source="tokens")
    ),
    "random, dropped ones seen": Pruning(tcep=TCEP(policy="random")),
    "focus": Pruning(tcep=TCEP(), sft=SFT(focus=3)),
    "learned queries": replace(HTP, recovery=Recovery(kind="cross_attention")),
    "skip": replace(HTP, recovery=Recovery(kind="skip_cross_attention")),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_every_kind_of_part_goes_with_a_schedule_and_costs_what_is_counted(part: Pruning) -> None:
    x2d = windows(1, FRAMES)
    for schedule in CHANGING:
        lifter = build(replace(part, schedule=schedule))
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            out = lifter.lift(x2d, hypotheses=2, steps=3, execution=Execution(rows=1))  # sides share learned queries
        assert out.isfinite().all()
        cost = lifter.cost(hypotheses=2, steps=3, flip=True)
        assert counter.get_total_flops() / 2e9 == pytest.approx(cost.inference_gmacs, rel=0.005)


def test_cost_is_the_sum_over_steps() -> None:
    config = models.config("htp", "base")
    assert config.pruning is not None
    for schedule in CHANGING:
        changing = replace(config, pruning=replace(config.pruning, schedule=schedule))
        cost = models.cost(changing, hypotheses=4, steps=5, flip=True)
        each = [models.cost(replace(config, pruning=step)) for step in at_steps(changing.pruning, 243, 5)]  # type: ignore[arg-type]
        passes = sum(8 * step.pass_gmacs for step in each)
        assert cost.inference_gmacs == pytest.approx(cost.window_gmacs + passes, rel=1e-12)
        constant = models.cost(config, hypotheses=4, steps=5, flip=True)
        assert cost.inference_gmacs == pytest.approx(constant.inference_gmacs, rel=0.01)
        # a pass is told at the configured counts, and a training knows of no schedule
        stages = constant.inference_stages
        assert replace(cost, inference_gmacs=constant.inference_gmacs, inference_stages=stages) == constant


def test_training_does_not_know_of_it() -> None:
    x2d, x3d = windows(2, FRAMES), poses(2, FRAMES)

    def loss(schedule: Schedule) -> float:
        lifter = build(replace(HTP, schedule=schedule)).train()
        return lifter.loss(x2d, x3d, generator=torch.Generator().manual_seed(0)).item()

    assert loss("coarse_to_fine") == loss("fine_to_coarse") == loss("constant")


def test_a_file_of_weights_keeps_the_schedule(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    for schedule in (*CHANGING, "constant"):
        lifter = build(replace(HTP, schedule=schedule))
        path.write_bytes(models.serialised(lifter))
        assert models.load(path).config == lifter.config


def test_what_knows_one_count_or_one_step_refuses() -> None:
    with pytest.raises(ValueError, match=r"pruning\.schedule: coarse_to_fine changes counts.*learned for one"):
        build(Pruning(tcep=TCEP(policy="dpc_knn", embed_places=True), schedule="coarse_to_fine"))
    for host in set(models.hosts()) - set(DIFFUSION):
        with pytest.raises(ValueError, match=r"pruning\.schedule: fine_to_coarse needs denoising steps"):
            build(Pruning(tcep=TCEP(), schedule="fine_to_coarse"), host)
