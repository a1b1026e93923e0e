"""Plans: deterministic, identified by content, sharing trainings where they may."""

from pathlib import Path

import models
from ablate.archive import Archive
from ablate.plan import expand, short_names, trials
from ablate.study import load
from ablate.workspace import Workspace
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


def test_elastic_cells_share_a_training_and_others_do_not() -> None:
    keys = [c.training_key(0) for c in expand(study())]
    assert len(set(keys[:4])) == 1
    assert keys[4] != keys[0]
    each = [c.training_key(0) for c in expand(study(TINY.replace("mode: elastic", "mode: fixed"))) if c.group == "htp"]
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


def test_under_a_sampler_only_the_variants_are_known(tmp_path: Path) -> None:
    text = TINY.replace("seeds: [0, 1]", "sampler: tpe\ntrials: 3\nseeds: [0]")
    archive = Archive(study(text), Workspace(home=tmp_path))
    assert [c.label for c in archive.cells] == ["d3dp"]
    assert archive.planned == 4


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
