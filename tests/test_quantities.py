"""The names of numbers: those that records really hold, and bounds on them."""

from dataclasses import replace

import pytest
import torch

import models
from ablate.compute import measure
from ablate.evaluate import UNITS as METRICS
from ablate.quantities import (
    CLOSED,
    LARGER_IS_BETTER,
    NAMES,
    SHARES,
    UNITS,
    VALIDATION,
    broken,
    parse_constraint,
    problem,
    summary,
)
from ablate.sections import EvaluateConfig, MeasureConfig
from tests.test_records import record


def test_the_names_are_those_that_are_recorded() -> None:
    lifter = models.build("d3dp", size="tiny")
    how = MeasureConfig(counters=False, latency=False)
    found = measure(
        lifter, lifter.cost(), EvaluateConfig(), how, build_on_meta=lambda: lifter, device=torch.device("cpu")
    )
    parts = {name for name in found if name.startswith("inference_gmacs_")}  # by stage, and no objectives
    assert set(NAMES) - set(VALIDATION) == found.keys() - parts
    assert {name for name, value in found.items() if value is not None} == set(CLOSED) | parts
    assert set(VALIDATION) < {f"validation_{metric}{UNITS[unit]}" for metric, unit in METRICS.items()}


def test_a_summary_holds_the_last_step_by_name() -> None:
    found = summary(record())
    assert found == {
        "inference_gmacs": 1.5,
        "latency_ms": 3.0,
        "validation_mpjpe_mm": 52.0,
        "test_mpjpe_mm": 52.0,
    }


def test_a_summary_is_of_one_protocol_alone() -> None:
    """The one that the configuration is judged by, under the same names: nothing can mix them."""
    both = record()
    other = tuple(m._replace(protocol="reference", value=m.value + 1) for m in both.metrics)
    both = replace(both, metrics=both.metrics + other)
    assert summary(both) == summary(record())
    judged = replace(both, config={**both.config, "evaluate": {"protocol": "reference"}})
    assert (summary(judged)["validation_mpjpe_mm"], judged.value("mpjpe", "test")) == (53.0, 53.0)
    shares = tuple(m._replace(metric="auc", unit="%") for m in both.metrics)
    assert summary(replace(both, metrics=shares))["validation_auc_percent"] == 52.0


def test_shares_are_of_one_dataset_and_more_of_them_is_better() -> None:
    for name in SHARES:
        assert problem(name, MeasureConfig(), "3dhp") is None
        assert "3dhp alone; use validation_mpjpe_mm" in str(problem(name, MeasureConfig(), "synthetic"))
        assert name in LARGER_IS_BETTER
    assert "oracle" in str(problem("validation_mpjpe_mm_jpma_true_root", MeasureConfig(), "3dhp"))


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
