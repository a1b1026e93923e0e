"""Plans: deterministic, identified by content, sharing trainings where they may."""

import pytest

import models
from ablate.compute import closed_form
from ablate.costing import known_compute
from ablate.design import short_names
from ablate.loading import load
from ablate.plan import Cell, expand, planned, sampled_cell, trials
from ablate.quantities import CLOSED
from tests.conftest import TINY
from tests.test_study import study


def test_a_grid_gives_every_cell_and_the_variants() -> None:
    cells = expand(study())
    assert [c.label for c in cells] == [
        "htp keep_ratio 1, clusters 5",
        "htp keep_ratio 1, clusters 3",
        "htp keep_ratio 0.6, clusters 5",
        "htp keep_ratio 0.6, clusters 3",
        "d3dp",
    ]
    assert len(trials(study(), cells)) == 10
    assert [c.id for c in cells] == [c.id for c in expand(study())]


def test_ids_and_keys_are_those_that_records_hold() -> None:
    """A change here means that everything recorded before is run again; then NUMBERS_VERSION should say why."""
    elastic = "34b3958b215a"
    assert {c.label: (c.id, c.training_key(0)) for c in expand(study())} == {
        "htp keep_ratio 1, clusters 5": ("f5d0d9eed60e", elastic),
        "htp keep_ratio 1, clusters 3": ("b973266ebae1", elastic),
        "htp keep_ratio 0.6, clusters 5": ("c0387fb5962a", elastic),
        "htp keep_ratio 0.6, clusters 3": ("e83c165539c1", elastic),
        "d3dp": ("8920acccfe0f", "afb0d8106609"),
    }


def test_elastic_cells_share_a_training_and_others_do_not() -> None:
    keys = [c.training_key(0) for c in expand(study())]
    assert len(set(keys[:4])) == 1
    assert keys[4] != keys[0]
    each = [c.training_key(0) for c in expand(study(TINY.replace("mode: elastic", "mode: each"))) if c.group == "htp"]
    assert len(set(each)) == 4
    assert expand(study())[0].training_key(1) != keys[0]


def test_where_data_lie_and_how_fast_is_no_part_of_identity() -> None:
    moved = TINY.replace("cameras: 1", "cameras: 1, path: elsewhere").replace("batch: 64}", "batch: 8}")
    assert [c.id for c in expand(study(moved))] == [c.id for c in expand(study())]
    other = TINY.replace("hypotheses: 2", "hypotheses: 3")
    assert not {c.id for c in expand(study(other))} & {c.id for c in expand(study())}
    # Only inference changed, so the weights are the same.
    assert expand(study(other))[0].training_key(0) == expand(study())[0].training_key(0)


def test_a_random_design_draws_from_the_grid_once() -> None:
    text = TINY.replace("seeds: [0, 1]", "design: random\ntrials: 2\nseeds: [0]")
    drawn = [c.label for c in expand(study(text)) if c.group == "htp"]
    assert len(drawn) == 2
    assert drawn == [c.label for c in expand(study(text)) if c.group == "htp"]


def test_under_a_sampler_only_the_variants_are_known() -> None:
    text = TINY.replace("seeds: [0, 1]", "sampler: tpe\ntrials: 3\nseeds: [0]")
    assert [c.label for c in expand(study(text))] == ["d3dp"]


def test_a_sampled_cell_is_the_grids_own() -> None:
    for c in expand(study()):
        if c.group == "htp":
            assert sampled_cell(study(), dict(reversed(list(c.params.items())))) == c


def test_a_random_design_needs_no_whole_grid() -> None:
    """Ten thousand million cells, of which three are looked at."""
    paths = ["batch", "epochs", "windows", "validate_every", "devices"]
    wide = "".join(f"  train.{path}: {{low: 1, high: 100, step: 1}}\n" for path in paths)
    text = TINY.replace("seeds: [0, 1]", "design: random\ntrials: 3\nseeds: [0]").replace("sweep:\n", f"sweep:\n{wide}")
    cells = [c for c in expand(study(text)) if c.group == "htp"]
    assert len({c.id for c in cells}) == 3


def test_cells_over_a_known_bound_are_planned_but_left_out() -> None:
    costs = {c.label: known_compute(c.configuration)["inference_gmacs"] for c in expand(study())}
    over = {label for label in costs if "clusters 5" in label}
    bound = max(cost for label, cost in costs.items() if label not in over and label != "d3dp")
    text = TINY.replace("seeds: [0, 1]", f"constraints: [inference_gmacs <= {bound:.9g}, params_m <= 9]\nseeds: [0]")
    kept, left = planned(study(text))
    assert {o.cell.label for o in left} == over
    assert all(f"against inference_gmacs <= {bound:.9g}" in o.reason for o in left)
    assert kept == expand(study(text))
    # Everything is compared with the baseline, so it runs whatever it costs.
    assert costs["d3dp"] > bound
    assert {c.label for c in kept} == costs.keys() - over
    assert planned(study())[1] == ()


@pytest.mark.parametrize("c", expand(load("pruning_ratio"))[:2], ids=lambda c: c.label)
def test_known_compute_is_what_a_record_holds(c: Cell) -> None:
    how = c.configuration.evaluate
    cost = models.cost(
        c.configuration.model,
        hypotheses=how.hypotheses,
        steps=how.steps,
        flip=how.flip,
        elastic=c.configuration.train.elastic,
    )
    known = known_compute(c.configuration)
    assert known == closed_form(cost)
    assert tuple(known) == CLOSED


def test_short_names_stay_apart() -> None:
    assert short_names(["model.pruning.tcep.keep_ratio", "model.pruning.mgptp.keep_ratio", "train.epochs"]) == {
        "model.pruning.tcep.keep_ratio": "tcep.keep_ratio",
        "model.pruning.mgptp.keep_ratio": "mgptp.keep_ratio",
        "train.epochs": "epochs",
    }


def test_rows_of_one_training_state_one_training_cost() -> None:
    costs = {
        c.training_key(0): models.cost(c.configuration.model, elastic=c.configuration.train.elastic).training_gmacs
        for c in expand(load("pruning_ratio"))
    }
    for c in expand(load("pruning_ratio")):
        found = models.cost(c.configuration.model, elastic=c.configuration.train.elastic).training_gmacs
        assert found == costs[c.training_key(0)], c.label
    assert len(costs) == 1
