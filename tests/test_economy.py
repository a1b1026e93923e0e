"""Schedules over denoising steps and hypotheses that branch, in studies: what is valid, shared, counted and told."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import models
from ablate.costing import known_compute
from ablate.evaluate import evaluate, evaluate_counts
from ablate.loading import check
from ablate.plan import Cell, expand, trials
from ablate.runner import Outcome, run
from ablate.sections import BranchConfig, EvaluateConfig
from ablate.source import parse
from ablate.terminal import Plain
from ablate.work import jobs
from ablate.workspace import Workspace
from models.pruning.schedule import at_steps
from tests.conftest import TINY
from tests.motion import recording, windows
from tests.test_study import problems, study

HOW = "evaluate: {hypotheses: 2, steps: 2, batch: 64}"
RATIOS = "  model.pruning.tcep.keep_ratio: [1.0, 0.6]\n"
BRANCH = "branch: {start: 1, at_step: 1, hypotheses: 2}"


def cells(text: str) -> list[Cell]:
    return list(expand(study(text)))


def evaluated(settings: str, sweep: str = "") -> str:
    """The tiny study, evaluated as ``settings`` say and with ``sweep`` in place of its keep ratios."""
    assert HOW in TINY
    assert RATIOS in TINY
    text = TINY.replace(HOW, f"evaluate: {{{settings}}}")
    return text.replace(RATIOS, f"  {sweep}\n") if sweep else text


@pytest.mark.parametrize(
    ("settings", "place", "text"),
    [
        (
            "steps: 2, branch: {at_step: 2, hypotheses: 3}",
            "13:40",
            "branch.at_step: must lie in 1..1 (there are 2 steps)",
        ),
        (
            "branch: {at_step: 1, hypotheses: 3}",
            "13:30",
            "nothing before a first step to branch from; set steps above 1",
        ),
        ("steps: 2, branch: {start: 4, at_step: 1, hypotheses: 3}", "13:38", "branch.start: must lie in 1..3"),
        (
            "steps: 2, hypotheses: 5, branch: {at_step: 1, hypotheses: 3}",
            "13:70",
            "evaluate.hypotheses says 5; leave that",
        ),
        (
            "steps: 2, eta: 0, branch: {at_step: 1, hypotheses: 3}",
            "13:27",
            "evaluate.eta: without fresh noise all branches",
        ),
        ("steps: 2, branch: {hypotheses: 3}", "13:30", "evaluate.branch.at_step: is required"),
        ("steps: 2, branch: {at_step: 1}", "13:30", "evaluate.branch.hypotheses: is required"),
        ("steps: 2, branch: {at_steps: 1, hypotheses: 3}", "13:31", "unknown key 'at_steps'; did you mean 'at_step'?"),
        (
            "steps: 2, branch: {at_step: 1, hypotheses: many}",
            "13:55",
            "branch.hypotheses: input should be a valid integer",
        ),
    ],
)
def test_a_branch_that_does_not_fit_is_told_where_it_stands(settings: str, place: str, text: str) -> None:
    found = problems(evaluated(settings))
    assert any(line.startswith(f"s.yaml:{place}: ") and text in line for line in found), found


@pytest.mark.parametrize(
    ("sweep", "place", "text"),
    [
        ("evaluate.branch.at_step: [1, 4]", "6:32", "evaluate.branch.at_step: must lie in 1..2"),
        (
            "evaluate.branch: [null, {at_step: 1, hypotheses: 4}]",
            "6:27",
            "hypotheses: is the number at the end, of which",
        ),
        ("model.pruning.schedule: [constant, course_to_fine]", "6:38", "did you mean 'coarse_to_fine'?"),
    ],
)
def test_swept_values_that_do_not_fit_are_told_one_by_one(sweep: str, place: str, text: str) -> None:
    settings = "steps: 3, hypotheses: 2, branch: {at_step: 1, hypotheses: 2}"
    found = problems(evaluated(settings, sweep))
    assert any(line.startswith(f"s.yaml:{place}: ") and text in line for line in found), found


def test_what_knows_one_step_or_one_count_takes_no_schedule() -> None:
    asked = "model.pruning.schedule: coarse_to_fine"
    for setting, text in (
        ("model.host: mixste", "needs denoising steps, and this host is deterministic"),
        ("model.pruning.tcep.policy: dpc_knn, model.pruning.tcep.embed_places: true", "places are learned for one"),
    ):
        variant = f"  other: {{set: {{train.mode: each, {setting}, {asked}}}}}\n"
        found = problems(TINY.replace("variants:\n", f"variants:\n{variant}"))
        assert any(line.startswith("s.yaml:9:") and text in line for line in found), found


def test_a_branch_says_how_many_there_are() -> None:
    told, filled = (cells(evaluated(f"{given}steps: 2, {BRANCH}")) for given in ("hypotheses: 2, ", ""))
    assert {cell.configuration.evaluate.hypotheses for cell in filled} == {2}
    assert [cell.id for cell in told] == [cell.id for cell in filled]


def test_what_stands_at_its_default_is_no_part_of_an_id() -> None:
    plain = cells(TINY)
    spelt = TINY.replace(HOW, HOW.replace("}", ", branch: null}")).replace("variants:", VARIANT.format("constant"))
    same = {cell.id for cell in cells(spelt)}
    assert {cell.id for cell in plain} < same
    assert len(same) == len(plain) + 1
    for branch in (BRANCH, "branch: {start: 2, at_step: 1, hypotheses: 2}"):
        assert not same & {cell.id for cell in cells(TINY.replace(HOW, HOW.replace("}", f", {branch}}}")))}


VARIANT = "variants:\n  more: {{set: {{model.pruning.schedule: {}, model.pruning.tcep.keep_ratio: 0.8}}}}"


@pytest.mark.parametrize("mode", ["elastic", "each"])
def test_weights_know_of_neither(mode: str) -> None:
    sweep = "model.pruning.schedule: [constant, coarse_to_fine, fine_to_coarse]\n"
    sweep += "  evaluate.branch: [null, {at_step: 1, hypotheses: 2}]"
    text = evaluated("hypotheses: 2, steps: 2", sweep).replace("mode: elastic", f"mode: {mode}")
    found = [cell for cell in cells(text) if cell.group == "htp" and "clusters 5" in cell.label]
    assert len({cell.id for cell in found}) == 6
    assert len({cell.training_key(0) for cell in found}) == 1
    plain = cells(evaluated("hypotheses: 2, steps: 2").replace("mode: elastic", f"mode: {mode}"))
    alone = next(cell for cell in plain if cell.label == "htp keep_ratio 1, clusters 5")
    if mode == "elastic":
        assert alone.training_key(0) == found[0].training_key(0)
    for cell in found:
        assert cell.training_configuration.model == found[0].training_configuration.model


def test_cells_share_a_run_where_hypotheses_branch_alike() -> None:
    sweep = "evaluate.branch.start: [1, 2]\n  evaluate.branch.at_step: [1, 2]\n  evaluate.branch.hypotheses: [2, 4]"
    text = evaluated("steps: 3", sweep).replace("  model.pruning.mgptp.clusters: [5, 3]\n", "")
    text = text.replace("train.mode: each}}", "train.mode: each, evaluate.branch: null}}").replace("[0, 1]", "[0]")
    loaded = study(text)
    found = [[trial.cell for trial in job.trials] for job in jobs(trials(loaded, expand(loaded)))]
    assert sorted(map(len, found)) == [1, 2, 2, 2, 2]
    for together in found:
        branches = [cell.configuration.evaluate.branch for cell in together]
        assert len({branch and (branch.start, branch.at_step) for branch in branches}) == 1


def test_a_study_states_what_both_cost() -> None:
    sweep = "model.pruning.schedule: [constant, coarse_to_fine]"
    text = evaluated("steps: 4, branch: {at_step: 3, hypotheses: 5}", sweep)
    for cell in cells(text):
        model = cell.configuration.model
        cost = models.cost(model)
        steps = at_steps(model.pruning, 9, 4) if model.pruning else (None,) * 4
        passes = [models.cost(replace(model, pruning=step)).pass_gmacs for step in steps]
        wanted = cost.window_gmacs + 2 * (sum(passes[:3]) + 5 * passes[3])
        assert known_compute(cell.configuration)["inference_gmacs"] == pytest.approx(wanted, rel=1e-12)


def test_fewer_hypotheses_from_a_run_with_more_branch_as_in_a_run_with_fewer() -> None:
    on = windows(9, recording("Walking 1", "Walking", 31, seed=1))
    lifter = models.build("htp", "tiny", frames=9, width=16, seed=0)
    branch = BranchConfig(start=2, at_step=1, hypotheses=4)
    config = EvaluateConfig(hypotheses=4, steps=2, branch=branch)
    how = {"seed": 0, "split": "test", "input": "gt", "device": torch.device("cpu")}
    shared = evaluate_counts(lifter, on, config, (2, 3, 4), **how)  # type: ignore[arg-type]
    for count, found in zip((2, 3, 4), shared, strict=True):
        alone = evaluate(lifter, on, replace(config, hypotheses=count), **how)  # type: ignore[arg-type]
        assert found.metrics == alone.metrics
    plain = evaluate(lifter, on, replace(config, branch=None), **how)  # type: ignore[arg-type]
    assert not np.array_equal(plain.window_mpjpe_mm, shared[2].window_mpjpe_mm)
    few = evaluate(lifter, on, replace(config, branch=None, hypotheses=2), **how)  # type: ignore[arg-type]
    np.testing.assert_array_equal(few.window_mpjpe_mm, shared[0].window_mpjpe_mm)  # as many as they began with


STUDY = """\
name: economy
question: Do schedules and branches run?
baseline: d3dp
model: {name: htp, size: tiny, width: 16, heads: 2, frames: 9}
sweep:
  model.pruning.schedule: [coarse_to_fine, fine_to_coarse]
  evaluate.branch: [null, {start: 1, at_step: 2, hypotheses: 3}]
variants:
  d3dp: {set: {model.name: d3dp}}
data: {name: synthetic, clip_seconds: 1, cameras: 1}
train: {epochs: 1, batch: 16, windows: 16, accelerator: cpu}
evaluate: {hypotheses: 3, steps: 3, batch: 64}
measure: {counters: false, latency: false}
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, str]:
    folder = tmp_path_factory.mktemp("economy")
    outcome = run(check(parse(STUDY, "s.yaml")), Workspace(folder / "home", folder / "reports"), Plain(quiet=True))
    return outcome, (folder / "reports" / "economy" / "report.md").read_text()


def test_the_records_are_those_of_five_ways_to_sample_two_trainings(outcome: tuple[Outcome, str]) -> None:
    records = {record.label: record for record in outcome[0].records}
    assert not outcome[0].failures
    assert set(records) == {
        "d3dp",
        *(
            f"htp schedule {schedule}, branch {branch}"
            for schedule in ("coarse_to_fine", "fine_to_coarse")
            for branch in ("off", "1 for 2 steps, then 3")
        ),
    }
    assert len({record.training_key for record in records.values()}) == 2
    assert len({record.value("mpjpe", "test") for record in records.values()}) == 5
    for schedule in ("coarse_to_fine", "fine_to_coarse"):
        whole, branched = (
            records[f"htp schedule {schedule}, branch {branch}"] for branch in ("off", "1 for 2 steps, then 3")
        )
        assert (branched.compute["inference_gmacs"] or 0) < 0.65 * (whole.compute["inference_gmacs"] or 0)
        assert branched.config["evaluate"]["hypotheses"] == 3


def test_the_report_says_how_hypotheses_branch(outcome: tuple[Outcome, str]) -> None:
    _, report = outcome
    assert "H = 3; K = 3; hypotheses branch: 1 for 2 steps, then 3 (in 2 of 5 records); flip averaging on" in report
    assert "| htp             | coarse_to_fine | 1 for 2 steps, then 3 |" in report
    assert "these are the configured ones" in report
    assert "{" not in report
