"""Early stopping's judge: bounds hold as often as they say, and a training goes on while there is hope."""

import math
import re
from collections.abc import Sequence

import numpy as np
import pytest

from ablate.costing import known_compute
from ablate.plan import Trial, expand, trials
from ablate.records import Metric, Record
from ablate.sections import PruneConfig
from ablate.stopping import Judge, lower_bound
from tests.conftest import TINY
from tests.test_records import record
from tests.test_study import study

FIXED = TINY.replace("{mode: elastic, epochs: 1", "{mode: each, epochs: 4").replace(
    "[1.0, 0.6]", "[1.0, 0.9, 0.8, 0.7, 0.6]"
)
PRUNED = FIXED.replace("seeds: [0, 1]", "seeds: [0, 1]\nprune: {curves: 4}")


# The bound


@pytest.mark.parametrize("slope", [1.0, 0.3])
def test_the_bound_is_passed_as_often_as_it_says_where_the_relation_is_linear(slope: float) -> None:
    rng, kept, times = np.random.default_rng(0), 0, 2000
    for _ in range(times):
        x = rng.normal(5, 0.5, 8)
        y = 1 + slope * x + rng.normal(0, 0.1, 8)
        kept += y[-1] >= lower_bound(list(zip(x[:-1], y[:-1], strict=True)), float(x[-1]), 0.9)
    assert kept / times >= 0.9 - 3 * (0.9 * 0.1 / times) ** 0.5


def test_the_bound_is_students_for_one_further_draw() -> None:
    """Four points on a line of slope one, at -1, 1, 1, -1 times 0.1 beside it: s is 0.2/sqrt(3), t(3) is 2.3534."""
    points = [(1.0, 0.9), (2.0, 2.1), (3.0, 3.1), (4.0, 3.9)]
    expected = 2.5 - 2.3534 * 0.2 / 3**0.5 * (1 + 1 / 4) ** 0.5
    fitted = 2.5 - 2.9200 * 0.2 / 2**0.5 * (1 + 1 / 4) ** 0.5
    assert lower_bound(points, 2.5, 0.95) == pytest.approx(min(expected, fitted), abs=1e-4)


def test_the_bound_falls_with_the_confidence_and_away_from_what_is_known() -> None:
    points = [(1.0, 0.9), (2.0, 2.1), (3.0, 3.1), (4.0, 3.9)]
    assert lower_bound(points, 2.5, 0.99) < lower_bound(points, 2.5, 0.9)
    assert 2.5 - lower_bound(points, 2.5, 0.95) < 9 - lower_bound(points, 9, 0.95)
    assert lower_bound([(1.0, 2.0)] * 5, 1.0, 0.95) == -np.inf


# The judge


def finished(trial: Trial, error_mm: float, curve: Sequence[float] = (), latency_ms: float = 3.0) -> Record:
    """A record whose errors in training fall to ``error_mm``, by about a half each epoch unless ``curve`` is given."""
    cell = trial.cell
    wobble = 1 + 0.005 * (int(cell.id, 16) % 5)
    course = list(curve or [error_mm * wobble * factor for factor in (8, 4, 2, 1)])
    head = {"unit": "mm", "input": "gt", "aggregation": "mean", "oracle": False, "protocol": "exact"}
    error = Metric("mpjpe", error_mm, split="validation", hypotheses=2, step=2, steps=2, **head)  # type: ignore[arg-type]
    return record(
        trial.seed,
        trial=cell.id,
        label=cell.label,
        config=cell.identity,
        metrics=(error,),
        compute={**known_compute(cell.configuration), "latency_ms": latency_ms},
        curves={"validation_epoch": [1.0, 2.0, 3.0, 4.0], "validation_mpjpe_mm": course},
    )


def cells(text: str = PRUNED) -> list[Trial]:
    own = study(text)
    return list(trials(own, expand(own)))


def judge(records: Sequence[Record], text: str = PRUNED, **rule: float) -> Judge:
    own = study(text)
    made = Judge(PruneConfig(**{"curves": 4, **rule}), own.file.baseline, own.constraints)  # type: ignore[arg-type]
    made.learn(records)
    return made


def half() -> list[Record]:
    """Every keep ratio at five clusters, finished, from 50 mm on: as dear as each other, and dearer than at three."""
    return [finished(trial, 50 * 1.3**i) for i, trial in enumerate(cells()[0:10:2])]


def test_a_hopeless_training_is_stopped_and_the_reason_says_all() -> None:
    asked = cells()[0:10:2][-1]
    others = [r for r in half() if r.trial != asked.cell.id]
    reason = judge(others).reason([asked], 2, 2000.0)
    assert reason is not None
    assert reason.startswith("epoch 2 of 4: 2000.0 mm so far, ")
    assert "mm at best in the end (95 % confidence, from 4 configurations)" in reason
    assert reason.endswith("and htp keep_ratio 1, clusters 5 has 50.0 mm at no more compute")
    assert judge(others).reason([asked], 2, 200.0) is None  # as good as the others


def test_a_training_goes_on_while_it_has_hope_or_too_little_is_known() -> None:
    asked = cells()[0:10:2][-1]
    others = [r for r in half() if r.trial != asked.cell.id]
    base = judge(others)
    assert base.reason([asked], 1, 2000.0) is not None
    assert judge(others, after=2).reason([asked], 1, 2000.0) is None
    assert judge(others, curves=5).reason([asked], 1, 2000.0) is None
    assert judge(others[:3]).reason([asked], 1, 2000.0) is None
    assert base.reason([asked], 4, 2000.0) is None  # its weights are made: nothing would be saved
    cheaper = [
        t
        for t in cells()
        if known_compute(t.cell.configuration)["inference_gmacs"]
        < min(r.compute["inference_gmacs"] or 0 for r in others)
    ]
    assert cheaper
    assert base.reason(cheaper[:1], 1, 2000.0) is None  # nobody is as cheap
    assert base.reason([asked, cheaper[0]], 1, 2000.0) is None  # one of two may still reach the front


def test_neither_the_baseline_nor_elastic_weights_are_stopped() -> None:
    dear = next(t for t in cells() if t.cell.label == "d3dp")
    assert judge(half()).reason([dear], 1, 1e6) is None
    other = PRUNED.replace("baseline: d3dp", "baseline: htp keep_ratio 1, clusters 5")
    assert judge(half(), other).reason([dear], 1, 1e6) is not None
    elastic = cells(FIXED.replace("mode: each, epochs: 4", "mode: elastic, epochs: 4"))[8]
    assert judge(half()).reason([elastic], 1, 1e6) is None


def alike(asked: Trial, old: str, new: str) -> Trial:
    """The same trial of a study that says something else."""
    (other,) = [t for t in cells(PRUNED.replace(old, new)) if (t.cell.label, t.seed) == (asked.cell.label, asked.seed)]
    return other


def test_only_trainings_of_the_same_course_and_trials_of_the_same_protocol_are_a_measure() -> None:
    asked, same = cells()[0:10:2][-1], half()[:4]
    assert judge(same).reason([asked], 1, 2000.0) is not None
    for old, new in (("epochs: 4", "epochs: 5"), ("steps: 2", "steps: 1"), ("clip_seconds: 1", "clip_seconds: 2")):
        assert judge(same).reason([alike(asked, old, new)], 1, 2000.0) is None


def at_rate(trial: Trial, rate: float) -> Trial:
    return alike(trial, "epochs: 4", f"learning_rate: {rate}, epochs: 4")


def test_trainings_of_equal_settings_count_once_for_one_of_other_settings() -> None:
    asked, others = cells()[0:10:2][-1], cells()[0:8:2]
    once = [finished(at_rate(trial, 0.5), 50 * 1.3**i) for i, trial in enumerate(others)]
    assert judge(once).reason([asked], 1, 2000.0) is None
    each = [finished(at_rate(trial, 0.1 * (i + 1)), 50 * 1.3**i) for i, trial in enumerate(others)]
    assert judge(each).reason([asked], 1, 2000.0) is not None


def test_trainings_of_its_own_settings_are_all_that_counts_once_they_are_enough() -> None:
    asked, own = cells()[0:10:2][-1], half()[:4]
    slow = [finished(at_rate(t, 0.1 * (i + 1)), 60.0, (9e3, 8e3, 7e3, 60)) for i, t in enumerate(cells()[0:8:2])]
    assert judge([*slow, *own]).reason([asked], 1, 2000.0) == judge(own).reason([asked], 1, 2000.0)
    assert judge([*slow, *own[:3]]).reason([asked], 1, 2000.0) is None


def test_what_breaks_a_bound_dominates_nothing() -> None:
    asked = cells()[0:10:2][-1]
    bounded = PRUNED.replace("seeds:", "sampler: tpe\ntrials: 3\nconstraints: [latency_ms <= 10]\nseeds:")
    for latency_ms, stopped in ((3.0, True), (30.0, False)):
        records = [finished(t, 50 * 1.3**i, latency_ms=latency_ms) for i, t in enumerate(cells()[0:8:2])]
        assert (judge(records, bounded).reason([asked], 1, 2000.0) is not None) is stopped


def test_one_seed_decides_for_all() -> None:
    every = [t for t in cells() if t.cell.label != "d3dp"]
    first, second = ([t for t in every if t.seed == seed] for seed in (0, 1))
    others = [finished(t, 50 * 1.3**i) for i, t in enumerate(second[0:8:2])]
    asked, sibling = second[8], first[8]
    assert judge(others).reason([asked], 1, 5000.0) is not None
    whole = judge([*others, finished(sibling, 70.0)])
    assert whole.reason([asked], 1, 5000.0) is None  # half its seeds would be no row
    assert whole.reason([asked], 1, 5000.0, "dear") is None
    assert judge([]).reason([asked], 1, 1.0, "dear") == "epoch 1 of 4: as was another seed (dear)"
    assert judge([]).reason([asked], 4, 1.0, "dear") is None


def test_everything_is_compared_at_one_seed() -> None:
    every = [t for t in cells() if t.cell.label != "d3dp"]
    first, second = ([t for t in every if t.seed == seed] for seed in (0, 1))
    measure = [finished(t, 500 * 1.3**i) for i, t in enumerate(second[0:8:2])]
    better = [finished(t, 50 * 1.3**i) for i, t in enumerate(first[0:8:2])]
    assert judge(measure).reason([second[8]], 1, 5000.0) is not None
    assert judge(measure).reason([second[8]], 1, 3000.0) is None
    assert judge([*measure, *better]).reason([second[8]], 1, 3000.0) is None  # rivals of another seed
    rival = finished(alike(second[8], "epochs: 4", "epochs: 5"), 0.01)  # beats all, and is no measure
    assert judge([*measure, rival]).reason([second[8]], 1, 5000.0) is not None
    assert judge([*better, rival]).reason([second[8]], 1, 5000.0) is None  # a measure for another seed


# The confidence of a training


def bound(reason: str | None) -> float:
    """What a reason says that the training comes to at best, in millimetres."""
    found = re.search(r"so far, ([0-9.]+) mm at best", str(reason))
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize(("rule", "old", "looks"), [({}, "", 3), ({"after": 2}, "", 2), ({}, "validate_every: 2", 1)])
def test_the_looks_at_a_training_share_what_may_go_wrong(rule: dict[str, float], old: str, looks: int) -> None:
    text = PRUNED.replace("mode: each", f"mode: each, {old}") if old else PRUNED
    every = cells(text)[0:10:2]
    others = [finished(t, 50 * 1.3**i) for i, t in enumerate(every[:4])]
    points = [(math.log(r.curves["validation_mpjpe_mm"][1]), math.log(50 * 1.3**i)) for i, r in enumerate(others)]
    expected = math.exp(lower_bound(points, math.log(2000), 1 - 0.05 / looks))
    assert bound(judge(others, text, **rule).reason([every[4]], 2, 2000.0)) == pytest.approx(expected, abs=0.051)


def test_a_training_passes_all_its_bounds_as_often_as_they_say() -> None:
    """Three looks whose errors have little to do with each other, at 80 %: each by itself would often be enough."""
    every, rng, times = cells()[0:10], np.random.default_rng(0), 400
    rival = finished(alike(every[0], "epochs: 4", "epochs: 5"), 0.01)  # beats all, and is no measure
    kept = 0
    for _ in range(times):
        errors = np.exp(rng.normal(5, 0.3, len(every)))
        curves = errors[:, None] * np.array([8, 4, 2, 1]) * np.exp(rng.normal(0, 0.1, (len(every), 4)))
        curves = np.minimum.accumulate(curves, axis=1)
        known = [finished(t, e, list(c)) for t, e, c in zip(every[1:], errors[1:], curves[1:], strict=True)]
        made = judge([rival, *known], confidence=0.8)
        kept += all(bound(made.reason([every[0]], n, curves[0, n - 1])) <= errors[0] for n in (1, 2, 3))
    assert kept / times >= 0.8
