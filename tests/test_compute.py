"""The counters against the closed form, for hosts and for pruned ones; what a device says, without timing anything."""

from dataclasses import replace

import pytest
import torch

from ablate import compute
from ablate.errors import AblateError
from ablate.quantities import CLOSED, COUNTED, NAMES, WATCHED
from ablate.sections import EvaluateConfig, MeasureConfig
from models.config import D3DP
from models.cost import STAGES, cost
from models.d3dp import Lifter
from models.pruning.config import MGPTP, SFT, TCEP, Pruning

CPU, META = torch.device("cpu"), torch.device("meta")
TINY = D3DP(frames=27, width=32, depth=2, heads=4)
BASE = D3DP()
HTP = Pruning(tcep=TCEP(), sft=SFT(), mgptp=MGPTP(before_pair=1))
ONCE = MeasureConfig(warmup=0, repeats=1)


def build(config: D3DP, device: torch.device = META) -> Lifter:
    with device:
        return Lifter(config)


@pytest.mark.parametrize("config", [TINY, replace(TINY, pruning=HTP), BASE, replace(BASE, pruning=HTP)])
def test_both_counters_agree_with_the_closed_form(config: D3DP) -> None:
    closed = cost(config)
    found = compute.count(build(config), closed)
    assert found["pass_gmacs_torch"] == pytest.approx(closed.pass_gmacs, rel=0.005)
    assert found["pass_gmacs_ptflops"] == pytest.approx(closed.pass_gmacs, rel=0.005)


@pytest.mark.parametrize(
    "pruning", [Pruning(tcep=TCEP(policy="dpc_knn")), Pruning(mgptp=MGPTP(before_pair=1, source="tokens"))]
)
def test_counters_see_the_distances_that_choosing_takes(pruning: Pruning) -> None:
    config = D3DP(frames=81, width=16, depth=2, heads=2, pruning=pruning)  # so narrow that they are a percent
    closed = cost(config)
    assert closed.stages["selection"]["other"] > 0.005 * closed.pass_gmacs
    assert set(compute.count(build(config), closed).values()) == {closed.pass_gmacs}


def test_base_costs_what_its_reference_program_was_measured_at() -> None:
    found = {**compute.closed_form(cost(BASE)), **compute.count(build(BASE), cost(BASE))}
    assert found["params_m"] == pytest.approx(34.835, rel=0.001)
    assert found["pass_gmacs_torch"] == pytest.approx(147.43, rel=0.005)


def test_the_meta_device_counts_what_real_tensors_count() -> None:
    config = replace(TINY, pruning=HTP)
    assert compute.count(build(config, CPU), cost(config)) == compute.count(build(config), cost(config))


@pytest.mark.parametrize(("part", "name"), [("pass_gmacs", "torch's counter"), ("params_m", "params_m")])
def test_a_wrong_formula_is_found_out(part: str, name: str) -> None:
    right = cost(TINY)
    with pytest.raises(AblateError, match=name):
        compute.count(build(TINY), replace(right, **{part: getattr(right, part) * 1.02}))


def test_measure_records_every_name_and_leaves_out_what_it_is_told_to() -> None:
    evaluate = EvaluateConfig(hypotheses=2, steps=2)
    closed = cost(TINY, hypotheses=2, steps=2, flip=True)
    staged = tuple(f"inference_gmacs_{stage}" for stage in STAGES)
    names = (*CLOSED, *staged, *COUNTED, *WATCHED)

    def measured(measure: MeasureConfig) -> dict[str, float | None]:
        lifter = build(TINY, CPU)
        return compute.measure(lifter, closed, evaluate, measure, build_on_meta=lambda: build(TINY), device=CPU)

    found = measured(ONCE)
    assert tuple(found) == names
    assert all(value is not None and (value > 0 or name in staged) for name, value in found.items())
    assert found["inference_gmacs"] == closed.inference_gmacs
    assert found["latency_q1_ms"] == found["latency_ms"] == found["latency_q3_ms"]
    assert found["fps"] == pytest.approx(1000 * 27 / (found["latency_ms"] or 0))
    without = measured(replace(ONCE, counters=False, latency=False))
    assert tuple(without) == names
    assert [name for name in names if without[name] is None] == [*COUNTED, *WATCHED]


def test_quartiles_enclose_the_median() -> None:
    found = compute.watch(build(TINY, CPU), EvaluateConfig(), MeasureConfig(warmup=1, repeats=5), device=CPU)
    assert (found["latency_q1_ms"] or 0) <= (found["latency_ms"] or 0) <= (found["latency_q3_ms"] or 0)


def test_live_bytes_follow_tensors_until_they_are_freed() -> None:
    outside = torch.zeros(1000)
    with compute.LiveBytes() as live:
        first = torch.zeros(1000)
        view = first[:10]
        second = first + outside
        outside.add_(1)
        assert (live.now, live.peak) == (8000, 8000)
        del first
        assert live.now == 8000  # its view keeps it
        del view, second
        assert live.now == 0
        third = outside * 2
    assert (live.now, live.peak) == (4000, 8000)
    del third
    assert live.now == 0


def test_peak_memory_is_the_weights_and_what_a_lift_adds() -> None:
    wide = replace(TINY, width=64)
    narrow, much = EvaluateConfig(), EvaluateConfig(hypotheses=4, steps=3)
    peak_mb = compute.watch(build(wide, CPU), narrow, ONCE, device=CPU)["peak_memory_mb"]
    weights_mb = cost(wide).params_m * 4
    tokens_mb = 27 * 17 * 64 * 4 / 1e6
    assert peak_mb is not None
    sides = 2  # of a window so small go through at once
    assert weights_mb + 3 * tokens_mb < peak_mb < weights_mb + sides * 20 * tokens_mb
    more_mb = compute.watch(build(wide, CPU), much, ONCE, device=CPU)["peak_memory_mb"]
    assert more_mb is not None
    assert more_mb >= peak_mb


def test_compute_by_stage_adds_up_and_tells_what_a_cost_from_elsewhere_leaves_out() -> None:
    closed = cost(replace(TINY, pruning=HTP), hypotheses=3, steps=2, flip=True)
    found = compute.by_stage(closed)
    assert list(found) == [f"inference_gmacs_{stage}" for stage in STAGES]
    assert sum(value or 0 for value in found.values()) == pytest.approx(closed.inference_gmacs, rel=1e-9)
    more = compute.by_stage(replace(closed, inference_gmacs=closed.inference_gmacs + 1.5))
    assert more == {**found, "inference_gmacs_other": pytest.approx(1.5)}
    assert compute.by_stage(replace(closed, inference_stages={})) == {
        "inference_gmacs_other": pytest.approx(closed.inference_gmacs)
    }


def test_parts_of_compute_are_nothing_to_search_by() -> None:
    assert not {name for name in compute.by_stage(cost(TINY)) if name in NAMES}
