"""Designs: which cells a study plans around its base, under which names."""

from typing import Any

import pytest

from ablate.design import swept
from ablate.plan import Cell, expand
from tests.test_study import problems, study

KEEP, CLUSTERS = "model.pruning.tcep.keep_ratio", "model.pruning.mgptp.clusters"

BASE = """\
name: quick
question: What does each part do?
baseline: htp
model: {name: htp, size: tiny, width: 16, heads: 2, frames: 9}
train: {epochs: 1}
"""

ONE = """\
design: one_factor
sweep:
  model.pruning.tcep.keep_ratio: [0.67, 0.5, 0.34]
  model.pruning.mgptp.before_pair: [1]
  train.mode: [each, elastic]
"""

PARTS = """\
design: components
components:
  plan: leave_one_out
  without:
    tcep: {model.pruning.tcep: null}
    sft: {model.pruning.sft: null}
    mgptp: {model.pruning.mgptp: null}
"""


def cells(text: str) -> dict[str, Cell]:
    return {c.label: c for c in expand(study(text))}


def stages(c: Cell) -> list[str]:
    pruning = c.configuration.model.pruning
    return [name for name in ("tcep", "sft", "mgptp") if getattr(pruning, name) is not None]


def test_one_factor_changes_one_path_at_a_time_around_the_base() -> None:
    found = cells(BASE + ONE)
    assert list(found) == ["htp", "htp keep_ratio 0.67", "htp keep_ratio 0.34", "htp mode elastic"]
    centre: dict[str, Any] = {KEEP: 0.5, "model.pruning.mgptp.before_pair": 1, "train.mode": "each"}
    assert found["htp"].params == centre
    assert found["htp"].configuration == cells(BASE)["htp"].configuration
    assert found["htp keep_ratio 0.34"].params == centre | {KEEP: 0.34}
    assert found["htp mode elastic"].params == centre | {"train.mode": "elastic"}
    assert found["htp mode elastic"].configuration.model == found["htp"].configuration.model
    assert {c.group for c in found.values()} == {"htp"}


def test_the_centre_shows_what_it_resolves_to() -> None:
    """By name, by size, by a preset's other way to say it, and as the file spells an equal value."""
    sweep = """\
design: one_factor
sweep:
  model.size: [small]
  model.name: [htp_fast]
  model.pruning.mgptp.clusters: [3]
  model.pruning.tcep: [{keep_ratio: 0.5}, null]
"""
    base = BASE.replace("size: tiny, width: 16, heads: 2, frames: 9", "frames: 27")
    found = cells(base + sweep)
    assert found["htp"].params == {
        "model.size": "base",
        "model.name": "htp",
        CLUSTERS: None,
        "model.pruning.tcep": {"keep_ratio": 0.5},
    }
    assert list(found)[1:] == ["htp size small", "htp name htp_fast", "htp clusters 3", "htp tcep off"]


def test_one_factor_takes_ranges_and_variants() -> None:
    text = BASE + ONE.replace("[0.67, 0.5, 0.34]", "{low: 0.4, high: 0.6, step: 0.1}")
    found = cells(f"{text}variants: {{dense: {{set: {{model.name: d3dp}}}}}}\n")
    assert list(found) == ["htp", "htp keep_ratio 0.4", "htp keep_ratio 0.6", "htp mode elastic", "dense"]


def test_one_factor_tells_what_is_wrong_with_each_value() -> None:
    text = BASE + ONE.replace("0.34]", "7, 0.67]").replace("[each, elastic]", "[eech]")
    found = problems(text)
    assert found == [
        "s.yaml:8:46: model.pruning.tcep.keep_ratio: must lie in (0, 1], got 7; a count of frames is called "
        "keep_frames",
        "s.yaml:10:16: train.mode: must be one of each, elastic, dense, got 'eech'; did you mean 'each'?",
    ]
    twins = problems(BASE + ONE.replace("0.34]", "0.67]"))
    assert twins == [
        "s.yaml:8:46: 'htp keep_ratio 0.67' is the same configuration as 'htp keep_ratio 0.67'; "
        "change one of them, or leave it out"
    ]


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (
            "leave_one_out",
            {
                "htp": ["tcep", "sft", "mgptp"],
                "htp without tcep": ["sft", "mgptp"],
                "htp without sft": ["tcep", "mgptp"],
                "htp without mgptp": ["tcep", "sft"],
            },
        ),
        (
            "add_one_in",
            {
                "htp with none": [],
                "htp with tcep only": ["tcep"],
                "htp with sft only": ["sft"],
                "htp with mgptp only": ["mgptp"],
            },
        ),
    ],
)
def test_components_are_taken_out_as_planned(plan: str, expected: dict[str, list[str]]) -> None:
    text = BASE + PARTS.replace("leave_one_out", plan)
    # Without anything that drops frames, SFT attends to all of them: no part is left, and that is a result.
    found = cells(text.replace("baseline: htp", f"baseline: {next(iter(expected))}"))
    assert {label: stages(c) for label, c in found.items()} == expected
    for label, c in found.items():
        assert c.params == {name: name in expected[label] for name in ("tcep", "sft", "mgptp")}


def test_a_factorial_crosses_every_component() -> None:
    found = cells(BASE + PARTS.replace("leave_one_out", "factorial"))
    assert len(found) == 8
    for c in found.values():
        assert stages(c) == [name for name, inside in c.params.items() if inside]
    two = PARTS.replace("leave_one_out", "factorial").replace("    mgptp: {model.pruning.mgptp: null}\n", "")
    assert list(cells(BASE + two)) == ["htp", "htp without sft", "htp without tcep", "htp with none"]


def test_components_stand_beside_variants_and_are_named_for_tables() -> None:
    text = f"{BASE}{PARTS}variants: {{dense: {{set: {{model.name: d3dp}}, sweep: {{model.heads: [2, 4]}}}}}}\n"
    assert list(cells(text))[-2:] == ["dense heads 2", "dense heads 4"]
    assert swept(study(text).file) == ("model.heads", "tcep", "sft", "mgptp")


@pytest.mark.parametrize(
    ("old", "new", "place", "text"),
    [
        ("design: components\n", "", "6:1", "only `design: components` reads these"),
        ("components:\n", "sweep: {train.epochs: [2]}\ncomponents:\n", "7:1", "taken out of one base"),
        ("leave_one_out", "leave_two_out", "8:9", "did you mean 'leave_one_out'?"),
        ("  plan: leave_one_out\n", "", "8:3", "components.plan: is required"),
        ("null}", "null, model.pruning.sft: null}", "11:11", "'tcep' sets model.pruning.sft as well"),
        ("sft: {model.pruning.sft: null}", "all: {model.pruning: null}", "11:11", "make them one component"),
        ("model.pruning.sft:", "model.pruning.sfd:", "11:11", "unknown key 'sfd'; did you mean 'sft'?"),
        ("model.pruning.sft: null", "train.epochs: 1", "11:25", "'htp without sft' is the same configuration as 'htp'"),
        ("model.pruning.sft: null", "train.epochs: 0", "11:25", "train.epochs: must be at least 1, got 0"),
        ("sft: {model.pruning.sft: null}", "sft: {}", "11:10", "at least 1"),
        ("design: components\n", "sampler: tpe\ntrials: 2\n", "8:1", "only `design: components` reads these"),
    ],
)
def test_each_problem_of_components_says_where_what_and_the_mend(old: str, new: str, place: str, text: str) -> None:
    assert old in PARTS
    found = problems(BASE + PARTS.replace(old, new, 1))
    assert any(line.startswith(f"s.yaml:{place}: ") and text in line for line in found), found


def test_what_is_wrong_only_without_a_component_names_the_row() -> None:
    """Without TCEP's change of pairs, MGPTP would come before it; the pair itself is written in the base."""
    model = "frames: 9, depth: 3, pruning: {tcep: {before_pair: 0}, mgptp: {before_pair: 0}}"
    text = BASE.replace("frames: 9", model)
    parts = PARTS.replace("model.pruning.tcep: null", "model.pruning.tcep.before_pair: 1")
    parts = parts.replace("    mgptp: {model.pruning.mgptp: null}\n", "")
    assert problems(text + parts) == [
        "s.yaml:4:129: model.pruning.mgptp.before_pair: clustering follows TCEP, so it can't come before pair 1 "
        "(in 'htp without tcep')"
    ]
    # What is wrong in the base is told once.
    assert len(problems(BASE.replace("heads: 2", "heads: 3") + PARTS)) == 1
