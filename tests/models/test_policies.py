"""What each policy in TCEP's place promises of its own, and that all of them cost the same at the same count."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import models
from models.htp import select
from models.pruning.config import POLICIES, SFT, TCEP, Pruning, by_tokens
from tests.models.motion import burst, still, windows

FRAMES = models.SIZES["tiny"]["frames"]


def motion(x2d: torch.Tensor, count: int) -> torch.Tensor:
    selection = select(x2d, Pruning(tcep=TCEP(keep_ratio=None, keep_frames=count, policy="motion")))
    assert selection is not None
    assert selection.tcep_BN is not None
    return selection.tcep_BN


def test_motion_keeps_the_burst_and_both_ends() -> None:
    inside = motion(burst(81, 30, 54), 20)[0, 1:-1]
    assert ((inside >= 28) & (inside < 56)).all()  # two frames each way are smoothing's
    assert motion(still(1, 81), 4).tolist() == [[0, 1, 2, 80]]


def test_motion_keeps_no_frame_that_moves_less_than_one_it_drops() -> None:
    x2d = windows(1, 81)
    kept = motion(x2d, 30)[0, 1:-1].tolist()
    relative = (x2d - x2d[:, :, :1])[0].double()
    pace = (relative[4:] - relative[:-4]).square().sum((1, 2))  # of frames 2..78, unsmoothed
    dropped = [frame for frame in range(2, 79) if frame not in kept]
    assert pace[[frame - 2 for frame in kept if 2 <= frame <= 78]].mean() > 1.5 * pace[[f - 2 for f in dropped]].mean()


def test_a_window_without_comparisons_costs_nothing_before_its_passes() -> None:
    lifter = models.build("d3dp", "tiny", pruning=Pruning(tcep=TCEP(policy="motion"), sft=SFT()))
    with FlopCounterMode(display=False) as counter:
        lifter.select(windows(1, FRAMES))
    assert counter.get_total_flops() == lifter.cost().window_gmacs == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_has_the_same_pairs_at_the_same_count(policy: str) -> None:
    chosen, even = (
        models.cost(models.config("d3dp", pruning=Pruning(tcep=TCEP(policy=by), sft=SFT())))
        for by in (policy, "uniform")
    )
    selecting = sum(chosen.stages.pop("selection").values())
    even.stages.pop("selection")
    assert chosen.stages == even.stages
    assert (selecting > 0) == (by_tokens(policy) is not None)
    assert chosen.pass_gmacs == pytest.approx(even.pass_gmacs + selecting)
