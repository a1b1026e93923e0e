"""Which steps flip, what noise is drawn, in what precision, in studies: what is valid, counted, recorded, told."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import models
from ablate.catalogue import Asked, profile
from ablate.cli.listing import print_profile
from ablate.costing import known_compute
from ablate.evaluate import evaluate
from ablate.loading import check
from ablate.plan import expand
from ablate.report.protocol import departures, flip
from ablate.runner import Outcome, run
from ablate.schema import StudyFile
from ablate.sections import EvaluateConfig
from ablate.source import parse
from ablate.terminal import Plain
from ablate.tracking import telling
from ablate.workspace import Workspace
from tests.conftest import TINY
from tests.motion import recording, windows
from tests.test_economy import HOW, cells, evaluated
from tests.test_study import problems


@pytest.mark.parametrize(
    ("settings", "place", "text"),
    [
        ("flip: lost", "13:18", "evaluate.flip: must be one of True, False, last, got 'lost'; did you mean 'last'?"),
        (
            "draws: frist",
            "13:19",
            "evaluate.draws: must be one of all, first, none, got 'frist'; did you mean 'first'?",
        ),
        ("precision: bf16", "13:23", "evaluate.precision: must be one of 32-true, bf16-mixed, got 'bf16'"),
        ("draws: none, steps: 3, hypotheses: 2", "13:47", "evaluate.hypotheses: draws none makes all hypotheses equal"),
        (
            "draws: first, steps: 3, branch: {at_step: 1, hypotheses: 3}",
            "13:44",
            "evaluate.branch: draws first adds no noise on the way, so all branches are equal; leave the branch out",
        ),
    ],
)
def test_what_makes_no_sense_is_told_where_it_stands(settings: str, place: str, text: str) -> None:
    found = problems(evaluated(settings))
    assert any(line.startswith(f"s.yaml:{place}: ") and text in line for line in found), found


def test_a_deterministic_host_draws_nothing() -> None:
    sampled = "evaluate.steps: 1, evaluate.hypotheses: 1, evaluate.draws: first"
    variant = f"  other: {{set: {{model.name: mixste, train.mode: each, {sampled}}}}}\n"
    (found,) = problems(TINY.replace("variants:\n", f"variants:\n{variant}"))
    assert "mixste is deterministic, it draws nothing; leave this out" in found


def test_what_stands_at_its_default_is_no_part_of_an_id() -> None:
    ids = [cell.id for cell in cells(TINY)]
    spelt = HOW.replace("}", ", flip: true, draws: all, precision: 32-true}")
    assert [cell.id for cell in cells(TINY.replace(HOW, spelt))] == ids
    for setting in ("flip: last", "precision: bf16-mixed", "draws: first"):
        others = cells(TINY.replace(HOW, HOW.replace("}", f", {setting}}}")))
        assert not {cell.id for cell in others} & set(ids)
        assert [cell.training_key(0) for cell in others] == [cell.training_key(0) for cell in cells(TINY)]


def test_the_schema_knows_them() -> None:
    known = StudyFile.model_json_schema()["$defs"]["EvaluateConfig"]["properties"]
    assert known["flip"]["enum"] == [True, False, "last"]
    assert known["draws"]["enum"] == ["all", "first", "none"]
    assert known["precision"]["enum"] == ["32-true", "bf16-mixed"]


def test_flip_in_the_last_step_is_counted_before_anything_runs() -> None:
    every, last, never = (
        known_compute(cells(evaluated(f"steps: 4, flip: {flip}"))[0].configuration)["inference_gmacs"]
        for flip in ("true", "last", "false")
    )
    assert (every - last) / (every - never) == pytest.approx(3 / 4)


def test_a_profile_counts_both_models_with_the_same_flips(capsys: pytest.CaptureFixture[str]) -> None:
    found = profile(Asked(model="htp", size="tiny", steps=3, settings=["evaluate.flip=last"]), "d3dp")
    for one in (found, found["compared_with"]):
        assert one["flip"] == "last"
        assert one["inference_gmacs"] - one["window_gmacs"] == pytest.approx(one["pass_gmacs"] * 4)
    print_profile(found)
    assert "one window, H 1 x K 3, the last step x 2 (flip), GMACs" in capsys.readouterr().out


@pytest.mark.parametrize("host", ["d3dp", "mixste"])
def test_bfloat16_is_near_and_not_the_same(host: str) -> None:
    shown = windows(9, recording("sway", "Sway", 60))
    lifter = models.build(host, "tiny", frames=9, seed=0)

    def mpjpe_mm(how: EvaluateConfig) -> float:
        found = evaluate(lifter, shown, how, seed=0, split="test", input="gt", device=torch.device("cpu"))
        return next(m.value for m in found.metrics if m.metric == "mpjpe")

    plain, half = (mpjpe_mm(EvaluateConfig(precision=p)) for p in ("32-true", "bf16-mixed"))
    assert plain != half
    assert half == pytest.approx(plain, rel=0.01)


def test_where_nothing_is_drawn_no_seed_matters() -> None:
    shown = windows(9, recording("sway", "Sway", 60))
    lifter = models.build("d3dp", "tiny", frames=9, seed=0)

    def errors(how: EvaluateConfig, seed: int) -> np.ndarray:
        found = evaluate(lifter, shown, how, seed=seed, split="test", input="gt", device=torch.device("cpu"))
        return found.window_mpjpe_mm

    none = EvaluateConfig(draws="none", steps=2, flip="last")
    assert np.array_equal(errors(none, 0), errors(none, 1))
    assert not np.array_equal(errors(replace(none, draws="first"), 0), errors(replace(none, draws="first"), 1))


STUDY = """\
name: sampled
question: Do draws and flips run?
baseline: d3dp
model: {name: htp, size: tiny, width: 16, heads: 2, frames: 9}
sweep:
  evaluate.draws: [all, first]
  evaluate.flip: [true, last]
variants:
  d3dp: {set: {model.name: d3dp, evaluate.precision: bf16-mixed}}
data: {name: synthetic, clip_seconds: 1, cameras: 1}
train: {epochs: 1, batch: 16, windows: 16, accelerator: cpu}
evaluate: {steps: 2, batch: 64}
measure: {counters: false, latency: false}
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, str]:
    folder = tmp_path_factory.mktemp("sampled")
    outcome = run(check(parse(STUDY, "s.yaml")), Workspace(folder / "home", folder / "reports"), Plain(quiet=True))
    return outcome, (folder / "reports" / "sampled" / "report.md").read_text()


def test_records_and_report_say_how_each_was_sampled(outcome: tuple[Outcome, str]) -> None:
    records = {record.label: record for record in outcome[0].records}
    assert not outcome[0].failures
    assert len({record.value("mpjpe", "test") for record in records.values()}) == 5
    every, last = records["htp draws first, flip True"], records["htp draws first, flip last"]
    assert every.training_key == last.training_key
    assert (last.config["evaluate"]["flip"], last.config["evaluate"]["draws"]) == ("last", "first")
    assert "draws" not in records["d3dp"].config["evaluate"]
    assert last.compute["inference_gmacs"] == pytest.approx(0.75 * (every.compute["inference_gmacs"] or 0), rel=0.01)
    assert telling.how(last) == {"flip": "last", "draws": "first", "steps": 2}
    assert telling.how(records["d3dp"])["precision"] == "bf16-mixed"
    said = "flip averaging on and in the last step; noise drawn: first (in 2 of 5 records); lifted in bf16-mixed"
    assert f"{said} (in 1 of 5 records); seeds 0" in outcome[1]


def test_what_is_usual_is_not_told(outcome: tuple[Outcome, str]) -> None:
    usual = [record for record in outcome[0].records if record.label == "htp draws all, flip True"]
    assert (flip(usual), departures(usual)) == ("on", "")


def test_a_resolved_cell_can_be_written_as_json() -> None:
    (cell,) = (c for c in expand(check(parse(STUDY, "s.yaml"))) if c.label == "htp draws first, flip last")
    assert json.loads(json.dumps(cell.identity))["evaluate"]["flip"] == "last"
