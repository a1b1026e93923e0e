"""What a training sample keeps: the closed form is what autograd holds when the loss of a real sample is there."""

import itertools
import weakref
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

import models
from models.config import Host
from models.pruning.config import MGPTP, POLICIES, SFT, TCEP, Pruning, Recovery
from tests.models.combinations import COMBINATIONS, RECOVERIES, Combination, called
from tests.models.motion import poses, windows

TOLERANCE = 0.01  # what is left out is 0.7 % at most at size tiny, and less on wider networks


class Held:
    """A tensor that some node of the graph keeps; it goes with its node."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def kept_mb(config: Host, windows_in_batch: int = 1) -> float:
    """MB that a training loss keeps beside the weights, each storage once."""
    lifter = models.build(config, seed=0).train()
    own = {t.untyped_storage().data_ptr() for t in (*lifter.parameters(), *lifter.buffers())}
    held: list[weakref.ref[Held]] = []

    def pack(tensor: Tensor) -> Held:
        thing = Held(tensor.detach())
        held.append(weakref.ref(thing))
        return thing

    x2d, x3d = windows(windows_in_batch, config.frames), poses(windows_in_batch, config.frames)
    with saved_tensors_hooks(pack, lambda thing: thing.tensor):
        loss = lifter.loss(x2d, x3d, generator=torch.Generator().manual_seed(0))
    assert loss.requires_grad  # the graph is still there
    storages = (thing.tensor.untyped_storage() for at in held if (thing := at()) is not None)
    return sum({s.data_ptr(): s.nbytes() for s in storages if s.data_ptr() not in own}.values()) / 1e6


@pytest.mark.parametrize("combination", COMBINATIONS, ids=called)
def test_every_host_keeps_what_the_closed_form_says(combination: Combination) -> None:
    name, host = combination
    config = models.config(name, "tiny", host=host)
    assert models.cost(config).activation_mb == pytest.approx(kept_mb(config), rel=TOLERANCE)


def prunings() -> Iterator[Pruning]:
    for policy in POLICIES:
        yield Pruning(tcep=TCEP(policy=policy), sft=SFT())
    stages = itertools.product((0, 1), (None, SFT(), SFT(focus=4)), (None, MGPTP(before_pair=1)))
    for (before, sft, mgptp), kind in itertools.product(stages, RECOVERIES):
        yield Pruning(tcep=TCEP(before_pair=before), sft=sft, mgptp=mgptp, recovery=Recovery(kind=kind))
    for before, kind in itertools.product((0, 1), RECOVERIES):
        by_groups = TCEP(policy="merge", before_pair=before)
        yield Pruning(tcep=by_groups, sft=SFT(), recovery=Recovery(kind=kind))
        yield Pruning(tcep=TCEP(keep_ratio=1.0), recovery=Recovery(kind=kind))


@pytest.mark.parametrize("pruning", [*prunings()], ids=itertools.count())
def test_every_stage_policy_and_recovery_keeps_what_the_closed_form_says(pruning: Pruning) -> None:
    config = models.config("d3dp", "tiny", pruning=pruning)
    assert models.cost(config).activation_mb == pytest.approx(kept_mb(config), rel=TOLERANCE)


@pytest.mark.parametrize("name", ["ktpformer", "htp", "hot"])
def test_a_batch_keeps_at_most_as_much_for_each_window(name: str) -> None:
    config = models.config(name, "tiny")
    alone = models.cost(config).activation_mb
    assert 0.95 * 3 * alone < kept_mb(config, 3) < (1 + TOLERANCE) * 3 * alone


def test_pruning_saves_memory_and_learned_recovery_asks_for_some() -> None:
    dense, pruned, recovered = (
        models.cost(models.config("d3dp", pruning=pruning)).activation_mb
        for pruning in (
            None,
            Pruning(tcep=TCEP(), sft=SFT()),
            Pruning(tcep=TCEP(), sft=SFT(), recovery=Recovery(kind="cross_attention")),
        )
    )
    assert pruned < recovered < dense
