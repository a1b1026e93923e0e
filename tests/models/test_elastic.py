"""Elastic training's draws: what they may be, how often, and that the same numbers give the same steps."""

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

import models
from models.pruning.config import MGPTP, SFT, TCEP, Pruning, Recovery
from models.pruning.elastic import Elastic, beyond, counts, draw, trained

FRAMES = 81
PRUNING = Pruning(tcep=TCEP(), sft=SFT(), mgptp=MGPTP())


def drawn(elastic: Elastic, number: int = 400, pruning: Pruning = PRUNING) -> list[Pruning]:
    rng = np.random.default_rng(0)
    return [draw(pruning, elastic, FRAMES, rng) for _ in range(number)]


def test_equal_generators_give_equal_steps() -> None:
    assert drawn(Elastic()) == drawn(Elastic())
    assert len(set(drawn(Elastic()))) > 100


def test_draws_stay_in_their_ranges_and_fit_the_host() -> None:
    elastic = Elastic(dense_share=0.2, keep_range=(0.2, 0.7), cluster_range=(0.3, 0.9))
    steps = drawn(elastic)
    dense = [step for step in steps if step == Pruning()]
    assert 0.15 < len(dense) / len(steps) < 0.25
    assert {step.tcep.policy for step in steps if step.tcep} == set(elastic.policies)
    assert {step.mgptp.policy for step in steps if step.tcep and step.mgptp and step.tcep.policy == "uniform"} == {
        "uniform"
    }
    assert {step.mgptp.policy for step in steps if step.tcep and step.mgptp and step.tcep.policy == "tcep"} == {"peaks"}
    for step in steps:
        assert not list(step.problems(FRAMES, 8))
        if step.tcep and step.mgptp:
            kept, clusters = step.tcep.count(FRAMES), step.mgptp.count(FRAMES)
            assert 16 <= kept <= 57
            assert 0.3 * kept - 0.5 <= clusters <= 0.9 * kept + 0.5


def test_stages_that_are_absent_stay_absent() -> None:
    for step in drawn(Elastic(dense_share=0.0), pruning=Pruning(mgptp=MGPTP()), number=50):
        assert step.tcep is None
        assert step.mgptp is not None
        assert 2 <= step.mgptp.count(FRAMES) <= FRAMES
    assert models.build("d3dp", size="tiny").elastic(Elastic(), np.random.default_rng(0)) == Pruning()


@pytest.mark.parametrize("kind", ["cross_attention", "skip_cross_attention"])
def test_a_step_that_drops_nothing_recovers_as_others_do(
    kind: Literal["cross_attention", "skip_cross_attention"],
) -> None:
    # else the dense rows of elastic weights would be asked in a way in which they were never trained
    pruning = replace(PRUNING, recovery=Recovery(kind=kind))
    dense = {step for step in drawn(Elastic(), pruning=pruning) if step.kept(FRAMES) == (FRAMES, FRAMES)}
    assert dense
    assert all(step.recovers_by_attention and step.sft is None for step in dense)
    assert all(step.tcep and step.tcep.before_pair == TCEP().before_pair for step in dense)
    config = models.config("d3dp", "tiny", pruning=replace(pruning, sft=None, mgptp=MGPTP(before_pair=1)))
    lifter, rng = models.build(config), np.random.default_rng(0)
    always = Elastic(dense_share=1.0)
    of_a_draw = models.cost(replace(config, pruning=lifter.elastic(always, rng))).training_gmacs
    assert of_a_draw == pytest.approx(models.cost(config, elastic=always).training_gmacs, rel=1e-12)


@pytest.mark.parametrize(
    "elastic",
    [
        Elastic(),
        Elastic(keep_range=(0.001, 0.03), cluster_range=(0.5, 0.5)),
        Elastic(keep_range=(0.4, 0.4), cluster_range=(0.01, 1.0)),
        Elastic(keep_range=(0.9, 1.0), cluster_range=(0.9, 1.0)),
    ],
)
def test_chances_are_those_of_the_draws(elastic: Elastic) -> None:
    chances: defaultdict[tuple[int, int], float] = defaultdict(float)
    for chance, kept, clusters in counts(PRUNING, elastic, FRAMES):
        chances[kept, clusters] += chance
    assert sum(chances.values()) == pytest.approx(1)
    steps = drawn(replace(elastic, dense_share=0.0), number=3000)
    seen = Counter((s.tcep.count(FRAMES), s.mgptp.count(FRAMES)) for s in steps if s.tcep and s.mgptp)
    assert set(seen) <= {pair for pair, chance in chances.items() if chance > 0}
    for axis in (0, 1):
        expected, observed = (sum(pair[axis] * weight for pair, weight in c.items()) for c in (chances, seen))
        assert observed / len(steps) == pytest.approx(expected, rel=0.03)


def test_drawn_stages_serve_every_subset_and_cost_what_they_draw() -> None:
    elastic = Elastic(dense_share=0.0, stages=PRUNING)
    steps = drawn(elastic, number=1600, pruning=trained(Pruning(), elastic))
    inside = Counter((step.tcep is not None, step.sft is not None, step.mgptp is not None) for step in steps)
    assert len(inside) == 8
    assert min(inside.values()) > 150
    assert not [problem for step in steps for problem in step.problems(FRAMES, 8)]
    config = models.config("d3dp", size="small", pruning=Pruning(mgptp=MGPTP(before_pair=3)))
    expected = models.cost(config, elastic=elastic).training_gmacs
    costs = [models.cost(replace(config, pruning=step)) for step in steps]
    assert np.mean([cost.training_gmacs for cost in costs]) == pytest.approx(expected, rel=0.01)
    alone = replace(config, pruning=Pruning(sft=SFT()))
    assert models.cost(alone, elastic=elastic).training_gmacs == expected


def test_what_drawn_stages_do_not_train_is_told() -> None:
    stages = Pruning(tcep=TCEP(), sft=SFT(focus=9), mgptp=MGPTP())
    part = Pruning(tcep=TCEP(keep_frames=9, keep_ratio=None, policy="uniform"), mgptp=MGPTP(keep_ratio=0.1))
    assert beyond(part, stages) == beyond(Pruning(), stages) == []
    other = Pruning(tcep=TCEP(before_pair=2), sft=SFT(), recovery=Recovery(kind="cross_attention"))
    assert beyond(other, stages) == ["tcep", "sft", "recovery"]
