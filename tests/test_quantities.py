"""The names of numbers: those that records really hold, and bounds on them."""

import pytest
import torch

import models
from ablate.compute import measure
from ablate.evaluate import UNITS as METRICS
from ablate.quantities import CLOSED, NAMES, UNITS, VALIDATION, broken, parse_constraint, summary
from ablate.sections import EvaluateConfig, MeasureConfig
from tests.test_records import record


def test_the_names_are_those_that_are_recorded() -> None:
    lifter = models.build("d3dp", size="tiny")
    how = MeasureConfig(counters=False, latency=False)
    found = measure(
        lifter, lifter.cost(), EvaluateConfig(), how, build_on_meta=lambda: lifter, device=torch.device("cpu")
    )
    assert set(NAMES) - set(VALIDATION) == found.keys()
    assert {name for name, value in found.items() if value is not None} == set(CLOSED)
    assert {f"validation_{metric}_{UNITS[unit]}" for metric, unit in METRICS.items()} == set(VALIDATION)


def test_a_summary_holds_the_last_step_by_name() -> None:
    found = summary(record())
    assert found == {
        "inference_gmacs": 1.5,
        "latency_ms": 3.0,
        "validation_mpjpe_mm": 52.0,
        "test_mpjpe_mm": 52.0,
    }


@pytest.mark.parametrize(
    ("text", "value", "excess"),
    [
        ("latency_ms <= 20", 25.0, 0.25),
        ("latency_ms<=20", 20.0, 0.0),
        ("  fps >= 1e2 ", 80.0, 0.2),
        ("fps >= +.5", 1.0, -1.0),
        ("params_m <= -2", -1.0, 0.5),
        ("params_m <= 0", 3.0, 3.0),
    ],
)
def test_a_constraint_says_how_far_a_value_lies_beyond_it(text: str, value: float, excess: float) -> None:
    constraint = parse_constraint(text)
    assert constraint.excess(value) == pytest.approx(excess)
    assert parse_constraint(str(constraint)) == constraint
    said = broken([constraint], {constraint.name: value})
    assert (str(constraint) in said) == (excess > 0)
    assert broken([constraint], {}) == ""


@pytest.mark.parametrize(
    "text", ["", "latency_ms", "latency_ms = 3", "20 >= latency_ms", "a b <= 3", "x <= 1e999", "x <= 1 2"]
)
def test_anything_else_is_no_constraint(text: str) -> None:
    with pytest.raises(ValueError, match="for instance inference_gmacs <= 60"):
        parse_constraint(text)
