"""Every shipped study runs to its report: all its rows, on seconds of synthetic motion and a short training."""

from collections.abc import Sequence
from pathlib import Path

import pytest

import ablate
from ablate.plan import expand, trials
from ablate.records import Record
from tests.conftest import ROOT

STUDIES = sorted(path for path in (ROOT / "studies").glob("*.yaml") if path.stem != "_tiny")
SHORT = {
    "seeds": [0],
    "model.width": 16,
    "model.heads": 2,
    "data.name": "synthetic",
    "data.clip_seconds": 1.6,
    "data.cameras": 1,
    "evaluate.cameras": 1,
    "evaluate.batch": 64,
    "evaluate.flip": False,
    "train.epochs": 1,
    "train.windows": 16,
    "train.validate_every": 1,
    "measure.latency": False,
}


@pytest.mark.slow
@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_shipped_study_runs_to_its_report(path: Path, tmp_path: Path) -> None:
    study = ablate.study(path, SHORT)
    outcome = ablate.run(study, home=tmp_path / "home", reports=tmp_path / "reports", quiet=True)
    assert not outcome.failures
    assert len(outcome.records) == len(trials(study, expand(study)))
    assert outcome.report.read_text().startswith(f"# {path.stem}")
    if path.stem in ("components", "policies", "components_cmu", "policies_cmu"):
        assert _without_control(outcome.records) == []
        assert "MPJPE smoothed dense (mm)" in outcome.report.read_text()
    assert ("Effects of the components" in outcome.report.read_text()) == path.stem.startswith("components")


def _without_control(records: Sequence[Record]) -> list[str]:
    """Pruned rows beside which no dense poses of the same training stand that are as slow."""
    controls = {
        (record.training_key, record.config["evaluate"].get("low_pass"))
        for record in records
        if record.compute["kept_frames"] == record.config["model"]["frames"]
    }
    return [
        record.label
        for record in records
        if (kept := record.compute["kept_frames"]) != record.config["model"]["frames"]
        and (record.training_key, kept) not in controls
    ]
