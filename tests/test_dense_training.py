"""Weights that were trained without pruning and serve every ratio: shared with the host, counted and told as such."""

import pytest

import models
from ablate.costing import cost_of, known_compute
from ablate.loading import check
from ablate.plan import expand
from ablate.runner import Outcome, run
from ablate.source import parse
from ablate.terminal import Plain
from ablate.tracking import telling
from ablate.work import Training
from ablate.workspace import Workspace
from tests.conftest import TINY
from tests.test_study import problems, study

STUDY = """\
name: dense
question: Do dense weights serve pruned rows?
baseline: d3dp
model: {name: htp, size: tiny, width: 16, heads: 2, frames: 9}
sweep:
  model.pruning.tcep.keep_ratio: [0.6, 1.0]
variants:
  d3dp: {set: {model.name: d3dp, train.mode: each}}
  whole: {set: {model.pruning.tcep.keep_ratio: 1.0, model.pruning.mgptp.keep_ratio: 1.0}}
data: {name: synthetic, clip_seconds: 1, cameras: 1}
train: {mode: dense, epochs: 1, batch: 16, windows: 16, accelerator: cpu}
evaluate: {batch: 64}
measure: {counters: false, latency: false}
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, str]:
    folder = tmp_path_factory.mktemp("dense")
    outcome = run(check(parse(STUDY, "s.yaml")), Workspace(folder / "home", folder / "reports"), Plain(quiet=True))
    return outcome, (folder / "reports" / "dense" / "report.md").read_text()


def test_all_rows_share_the_hosts_own_training(outcome: tuple[Outcome, str]) -> None:
    records = {record.label: record for record in outcome[0].records}
    assert not outcome[0].failures
    assert len({record.training_key for record in records.values()}) == 1
    host, whole, pruned = (records[label] for label in ("d3dp", "whole", "htp keep_ratio 0.6"))
    assert whole.value("mpjpe", "test") == host.value("mpjpe", "test")
    assert pruned.value("mpjpe", "test") != host.value("mpjpe", "test")
    assert pruned.compute["training_gmacs"] == host.compute["training_gmacs"]
    assert pruned.compute["activation_mb"] == host.compute["activation_mb"]
    assert (pruned.compute["inference_gmacs"] or 0) < (host.compute["inference_gmacs"] or 0)
    assert "dense (trained without pruning, pruned at test; trainings: 1, records: 3)" in outcome[1]
    assert telling.how(pruned)["pruning"]["tcep"]["keep_ratio"] == 0.6


def test_the_key_is_that_of_the_host_trained_by_itself() -> None:
    cells = {c.label: c for c in expand(check(parse(STUDY, "s.yaml")))}
    dense = cells["htp keep_ratio 0.6"]
    assert dense.training_key(1) == cells["d3dp"].training_key(1)
    assert dense.training_configuration.model.pruning is None
    assert Training(dense, 0).label == "htp (dense), seed 0"
    each = check(parse(STUDY.replace("mode: dense", "mode: each"), "s.yaml"))
    assert dense.training_key(1) not in {c.training_key(1) for c in expand(each) if c.group == "htp"}
    assert dense.id not in {c.id for c in expand(each)}


def test_training_costs_what_the_host_does() -> None:
    cells = {c.label: c for c in expand(check(parse(STUDY, "s.yaml")))}
    pruned, host = (cells[label].configuration for label in ("htp keep_ratio 0.6", "d3dp"))
    assert cost_of(pruned).training_gmacs == cost_of(host).training_gmacs
    assert cost_of(pruned).pass_gmacs == models.cost(pruned.model).pass_gmacs
    assert known_compute(pruned)["activation_mb"] == known_compute(host)["activation_mb"]


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("model.pruning.recovery.kind: cross_attention", "cross_attention has weights of its own, which dense"),
        ("model.pruning.tcep.embed_places: true", "dense weights serve every count, and places are learned for one"),
    ],
)
def test_what_needs_weights_of_its_own_is_refused(setting: str, text: str) -> None:
    variant = f"  other: {{set: {{train.mode: dense, {setting}}}}}\n"
    assert any(text in line for line in problems(TINY.replace("variants:\n", f"variants:\n{variant}")))


def test_no_dense_training_is_stopped_early() -> None:
    told = problems(TINY.replace("mode: elastic", "mode: dense").replace("seeds: [0, 1]", "seeds: [0]\nprune: {}"))
    assert any("one dense training serves every ratio, so none is ever stopped" in line for line in told)
    assert study(TINY.replace("mode: elastic", "mode: dense")).file.train.mode == "dense"
