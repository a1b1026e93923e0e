"""PCK and AUC from 3DHP's files to a record, a report and the command line; other data have none."""

from pathlib import Path

import numpy as np
import pytest

from ablate.loading import check
from ablate.records import Metric, Record
from ablate.runner import Outcome, run
from ablate.source import parse
from ablate.terminal import Plain
from ablate.workspace import Workspace
from tests.benchmarks import dhp3
from tests.checkpoints import ablate_

STUDY = """\
name: shares
question: How near?
baseline: mixste
model: {name: mixste, size: tiny, width: 16, heads: 2, frames: 9}
data: {name: 3dhp, path: 3dhp, input: gt, annotations: annot3}
train: {epochs: 1, batch: 64, windows: 64, accelerator: cpu}
evaluate: {batch: 64, protocol: reference}
measure: {repeats: 1, warmup: 0, counters: false}
"""
SEQUENCES = [f"TS{number}" for number in range(1, 7)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shares")
    dhp3(folder / "3dhp", frames=20)
    return folder


@pytest.fixture(scope="module")
def outcome(place: Path) -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        done = run(check(parse(STUDY, "shares.yaml")), Workspace(), Plain(quiet=True))
    assert not done.failures
    return done


def of(record: Record, metric: str, protocol: str) -> dict[str, Metric]:
    return {m.action: m for m in record.metrics if (m.metric, m.protocol, m.split) == (metric, protocol, "test")}


def test_a_record_has_them_by_sequence_and_their_plain_mean(outcome: Outcome) -> None:
    (record,) = outcome.records
    for metric in ("pck_150", "auc"):
        found = of(record, metric, "reference")
        assert list(found) == ["", *SEQUENCES]
        assert {m.unit for m in found.values()} == {"%"}
        assert found[""].value == pytest.approx(np.mean([found[name].value for name in SEQUENCES]))
        assert 0 <= found[""].value <= 100
        assert list(of(record, metric, "exact")) == [""]
        assert record.value(metric, "validation") >= 0
    assert of(record, "auc", "reference")[""].value <= of(record, "pck_150", "reference")[""].value


def test_a_report_shows_them_beside_the_errors(outcome: Outcome, place: Path) -> None:
    assert outcome.report is not None
    main = (place / outcome.report).read_text().split("## Results")[1].split("##")[0]
    assert "PCK at 150 mm (%)" in main
    assert "AUC (%)" in main
    assert "Protocol reference; test split of 3dhp (annot3);" in main


def test_a_file_of_weights_is_judged_by_them_too(
    outcome: Outcome, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    weights = f".ablate/weights/{outcome.records[0].training_key}.safetensors"
    options = ("--set", "data.path=3dhp", "--input", "gt", "--set", "data.annotations=annot3", "--accelerator", "cpu")
    shown = ablate_("evaluate", weights, "--data", "3dhp", *options, "--by-action").stdout
    assert "pck_150 %" in shown
    assert "TS6" in shown
    elsewhere = ablate_("evaluate", weights, "--data", "synthetic", "--accelerator", "cpu", "--set", "data.cameras=1")
    assert "mpjpe" in elsewhere.stdout
    assert "pck_150" not in elsewhere.stdout


def test_only_a_search_on_3dhp_may_aim_at_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    search = "sampler: tpe\ntrials: 2\nobjectives: [validation_auc_percent, inference_gmacs]\n"
    swept = "sweep: {train.learning_rate: [0.001, 0.002]}\n"
    variant = "variants: {plain: {set: {train.weight_decay: 0.2}}}\n"
    text = STUDY.replace("baseline: mixste", "baseline: plain") + swept + variant + search
    Path("s.yaml").write_text(text)
    done = ablate_("validate", "s.yaml")
    assert done.exit_code == 0, done.stderr
    Path("s.yaml").write_text(text.replace("name: 3dhp, path: 3dhp, input: gt, annotations: annot3", "name: synthetic"))
    refused = ablate_("validate", "s.yaml")
    assert refused.exit_code == 2
    assert "'validation_auc_percent' is counted on 3dhp alone; use validation_mpjpe_mm" in refused.stderr
