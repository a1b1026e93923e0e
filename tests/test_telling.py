"""What runs are called, what they are found by, and how their descriptions rank and link them."""

import math

import pytest

from ablate.tracking import telling
from ablate.tracking.telling import Shown
from tests.test_records import record
from tests.test_tracking import ABOUT

TCEP = {"before_pair": 1, "keep_ratio": None, "keep_frames": 27, "policy": "motion", "uniform_share": None}
PRUNING = {"tcep": TCEP, "sft": {"focus": None}, "mgptp": None, "recovery": {"kind": "interpolate"}}


def config(**sections: object) -> dict[str, object]:
    usual = {"name": "htp", "model": {"frames": 81}, "data": {}, "train": {}, "evaluate": {}, "measure": {}}
    return {**usual, **sections}


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"model.pruning.mgptp.clusters": 9, "model.pruning.tcep.keep_ratio": 0.33}, "htp 27 of 81 frames, 9 clusters"),
        ({"model.pruning.tcep.keep_frames": 9, "model.pruning.tcep.policy": "merge"}, "htp by merge, 9 of 81 frames"),
        ({"model.pruning.tcep.keep_ratio": 1.0}, "htp all 81 frames"),
        ({"model.pruning.mgptp.keep_ratio": 0.25}, "htp 20 clusters"),
        ({"evaluate.hypotheses": 5, "evaluate.steps": 2}, "htp 5 hypotheses, 2 steps"),
        ({"evaluate.low_pass": 27, "evaluate.flip": False}, "htp low-passed to 27, flip off"),
        ({"model.host": "mixste", "train.learning_rate": 0.00123456}, "htp on mixste, learning_rate 0.001235"),
        ({"evaluate.branch": {"start": 1, "at_step": 2, "hypotheses": 5}}, "htp branch 1 for 2 steps, then 5"),
        ({"model.pruning.sft": None}, "htp sft off"),
        ({"tcep": True, "sft": False}, "the table's row"),
        ({}, "htp"),
    ],
)
def test_a_configuration_is_called_by_its_swept_values(params: dict[str, object], name: str) -> None:
    found = record(0, group="htp", label="the table's row", params=params, config=config())
    assert telling.title(found) == name


def test_a_configuration_is_found_by_what_prunes_it() -> None:
    found = telling.tags(record(0, config=config(model={"frames": 81, "pruning": PRUNING})))
    assert (found["policy"], found["keep_ratio"]) == ("motion", "0.333")
    assert "clusters" not in found
    dense = telling.tags(record(0, config=config(name="d3dp", model={"frames": 81, "pruning": None})))
    assert (dense["policy"], dense["keep_ratio"], dense["host"]) == ("none", "1", "d3dp")
    hosted = config(host="mixste", model={"frames": 81, "pruning": {**PRUNING, "mgptp": {"keep_ratio": 0.25}}})
    hosted["model"]["pruning"]["mgptp"]["clusters"] = None  # type: ignore[index]
    found = telling.tags(record(0, config=hosted))
    assert (found["host"], found["clusters"]) == ("mixste", "20")


def test_a_model_is_told_to_lift_as_the_configuration_does() -> None:
    model, each, elastic = {"frames": 81, "pruning": PRUNING}, {"mode": "each"}, {"mode": "elastic"}
    pruned = {"tcep": {"keep_ratio": None, "keep_frames": 27, "policy": "motion"}, "sft": {}, "recovery": {}}
    told = telling.how(record(0, config=config(model=model, train=elastic, evaluate={"hypotheses": 5, "flip": True})))
    assert told == {"pruning": pruned, "hypotheses": 5}
    assert telling.how(record(0, config=config(model=model, train=each, evaluate={}))) == {}
    scheduled = {"frames": 81, "pruning": {**PRUNING, "schedule": "coarse_to_fine"}}
    told = telling.how(record(0, config=config(model=scheduled, train=each, evaluate={"low_pass": 9})))
    assert told == {"pruning": {**pruned, "schedule": "coarse_to_fine"}, "low_pass": 9}


def shown(name: str, error: float, compute: float) -> Shown:
    return Shown(name, f"run-{name}", error, math.nan, compute)


def test_the_front_keeps_what_nothing_beats_on_both_axes() -> None:
    cells = [shown("a", 50, 9), shown("b", 52, 3), shown("c", 53, 5), shown("d", 52, 4), shown("e", 60, 1)]
    assert [s.name for s in telling.front([*cells, shown("unmeasured", 1, math.nan)])] == ["e", "b", "a"]


def test_a_study_is_told_by_error_with_links_and_no_longer_than_there_is_room() -> None:
    cells = [shown(f"cell | {i}", 50 + i % 40 / 10, 1 + i) for i in range(300)]
    note = telling.study_note(ABOUT, [*cells, shown("failed", math.nan, 1.0)], "7", "links", "parent", telling.ROWS)
    assert len(note) < 8000
    assert note.startswith("why?\n\nlinks\n\n**The front: ")
    assert note.endswith("\n\n![front](get-artifact?path=front%2Fsmall.png&run_uuid=parent)")
    table = note.partition("**By error (the first 20 of 300)**")[2]
    rows = [line for line in table.splitlines() if line.startswith("| 5")]
    assert len(rows) == telling.ROWS
    assert rows[0] == "| 50.00 | 1 | [cell \\| 0](#/experiments/7/runs/run-cell | 0) |"
    assert "failed" not in note


def test_a_configuration_says_how_to_lift_with_it() -> None:
    seeds = [record(0), record(1)]
    found = telling.configuration_note(ABOUT, seeds, Shown("htp", "run", 52.0, 0.25, 1.5), "m-1")
    assert "`htp keep_ratio 0.5` of the study s, seeds 0, 1." in found
    assert "MPJPE, test (mm): **52.00 ± 0.25**; inference (GMACs): **1.5**" in found
    assert 'mlflow.pyfunc.load_model("models:/m-1")' in found
