"""Main effects and interactions against a design whose effects are known."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
from scipy import stats

from ablate.records import Record
from tests.report import factory
from tests.report.conftest import tables_of

NAMES = ("tcep", "sft", "mgptp")
# what each component adds to the error, and what two add together beyond that
ALONE = {"tcep": 1.0, "sft": -0.25, "mgptp": 3.0}
TOGETHER = {("tcep", "mgptp"): 2.0}


def records(seeds: Sequence[int] = (0, 1, 2)) -> list[Record]:
    made = []
    for inside in itertools.product((True, False), repeat=3):
        params = dict(zip(NAMES, inside, strict=True))
        error = 50.0 + sum(ALONE[name] for name in NAMES if params[name])
        error += sum(extra for pair, extra in TOGETHER.items() if all(params[name] for name in pair))
        label = "htp " + " ".join(f"{name} {value}" for name, value in params.items())
        for seed in seeds:
            metrics = factory.metrics(error + seed + (0.1 * seed if params["tcep"] else 0.0), 1, 1)
            one = replace(factory.record(seed=seed), params=params, label=label, trial=label, metrics=metrics)
            cost = {**one.compute, "inference_gmacs": 10.0 - 4.0 * params["tcep"]}
            made.append(replace(one, compute=cost))
    return made


ABOUT = factory.about(sweep=NAMES)


def test_effects_are_those_that_the_errors_were_made_of() -> None:
    table = tables_of(records(), ABOUT)["effects"]
    error, low, high, p, cost = table.columns
    # the interaction's extra counts where both are in: half of it in each main effect, half as the interaction
    expected = {"tcep": 1.0 + 1.0 + 0.1, "sft": -0.25, "mgptp": 3.0 + 1.0}
    expected |= {"tcep × sft": 0.0, "tcep × mgptp": 1.0, "sft × mgptp": 0.0}  # noqa: RUF001
    assert dict(error.mean) == pytest.approx(expected, abs=1e-9)
    assert list(error.mean.index) == list(expected)  # in the study's order
    assert cost.mean["tcep"] == pytest.approx(-4.0)
    # the effect of tcep is 2, 2.1 and 2.2 at the three seeds; the factory's weights are shared, so it is judged alone
    half = stats.t.isf(0.025, 2) * 0.1 / 3**0.5
    assert (low.mean["tcep"], high.mean["tcep"]) == pytest.approx((2.1 - half, 2.1 + half))
    assert p.mean["tcep"] > stats.t.sf(2.1 / (0.1 / 3**0.5), 2)
    assert table.texts()[error.title]["tcep"] == "+2.10"
    assert any("paired by seed" in note for note in table.notes)


def test_a_seed_without_every_combination_does_not_count() -> None:
    found = tables_of([r for r in records() if r.seed != 2 or r.params["tcep"]], ABOUT)["effects"]
    assert set(found.columns[0].seeds) == {2}


def test_rows_beside_the_design_do_not_count() -> None:
    beside = [replace(r, params={factory.KEEP: 0.5}, label="beside", trial="beside") for r in records()[:3]]
    plain = replace(ABOUT, sweep=(*NAMES, factory.KEEP))
    found, alone = (tables_of(rows, plain)["effects"] for rows in (records() + beside, records()))
    assert dict(found.columns[0].mean) == dict(alone.columns[0].mean)


def test_one_seed_says_so() -> None:
    assert any("One seed" in note for note in tables_of(records((0,)), ABOUT)["effects"].notes)


def test_nothing_is_said_of_other_designs() -> None:
    assert "effects" not in tables_of(factory.study(), factory.about())
    assert "effects" not in tables_of([r for r in records() if r.params["sft"] or r.params["tcep"]], ABOUT)
