"""Studies, runs and results from Python."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import ablate
from ablate.errors import InputError, StudyError
from tests.conftest import ROOT, TINY

SMALL = TINY.replace("[1.0, 0.6]", "[0.6]").replace("[5, 3]", "[5]")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "s.yaml").write_text(SMALL)
    outcome = ablate.run(folder / "s.yaml", home=folder / "home", reports=folder / "reports", quiet=True)
    assert len(outcome.records) == 4
    assert outcome.report.exists()
    return folder / "home"


def test_a_long_frame_is_that_of_the_report(home: Path) -> None:
    frame = ablate.results(ablate.study(home.parent / "s.yaml"), home=home)
    csv = pd.read_csv(home.parent / "reports" / "quick" / "results.csv")
    assert list(frame.columns) == list(csv.columns)
    assert len(frame) == len(csv)
    assert frame["value"].sum() == pytest.approx(csv["value"].sum())


def test_a_wide_frame_has_a_row_a_configuration_and_seed(home: Path) -> None:
    long, wide = ablate.results("quick", home=home), ablate.results("quick", home=home, wide=True)
    assert list(zip(wide["label"], wide["seed"], strict=True)) == [
        ("d3dp", 0),
        ("d3dp", 1),
        ("htp keep_ratio 0.6, clusters 5", 0),
        ("htp keep_ratio 0.6, clusters 5", 1),
    ]
    for column, metric, aggregation, split in (
        ("test_mpjpe_mm", "mpjpe", "mean", "test"),
        ("validation_p_mpjpe_mm", "p_mpjpe", "mean", "validation"),
        ("test_mpjve_j_best_mm_per_frame", "mpjve", "j_best", "test"),
    ):
        rows = long[(long.metric == metric) & (long.aggregation == aggregation) & (long.split == split)]
        last = rows[(rows.action == "") & (rows.step == rows.steps) & rows.headline]
        assert list(last["value"]) == list(wide[column])
    assert list(wide["inference_gmacs"]) == list(long.loc[long.metric == "inference_gmacs", "value"])
    assert wide["model.pruning.tcep.keep_ratio"].isna().sum() == 2
    assert (wide["seconds_train"] > 0).all()


def test_a_study_gives_only_what_belongs_to_it_and_a_name_everything(home: Path) -> None:
    file = home.parent / "s.yaml"
    assert set(ablate.results(ablate.study(file, {"seeds": [1]}), home=home)["seed"]) == {1}
    with pytest.raises(InputError, match=r"nothing is recorded under .* \(there are quick\)"):
        ablate.results(ablate.study("_tiny"), home=home)
    other = ablate.study(file, {"seeds": [0], "train.epochs": 2})
    ablate.run(other, home=home, reports=home.parent / "reports", quiet=True)
    assert len(ablate.results(other, home=home, wide=True)) == 2
    everything = ablate.results("quick", home=home, wide=True)
    assert len(everything) == 6
    assert everything["trial"].nunique() == 4


def test_what_is_wrong_is_told(home: Path) -> None:
    with pytest.raises(StudyError, match="did you mean 'epochs'"):
        ablate.study("_tiny", {"train.epohs": 1})
    with pytest.raises(InputError, match="did you mean 'pruning_ratio'"):
        ablate.study("prunning_ratio")
    with pytest.raises(InputError, match="at least 1"):
        ablate.run("_tiny", workers=0)


def test_the_functions_are_there_whatever_was_imported_before() -> None:
    script = "import ablate.runner, ablate.loading, ablate; from ablate import results, run, study; "
    script += (
        "assert ablate.study is study; ablate.study('_tiny'); assert {'results', 'run', 'study'} <= {*dir(ablate)}"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == 0
    assert not hasattr(ablate, "reslts")
