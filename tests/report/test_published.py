"""Published rows: only what was measured alike stands beside a study, and of the rest it is said why it does not."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ablate.records import Record
from ablate.report.published import Published, published, text
from ablate.report.tables import csv as csv_text
from ablate.report.tables import markdown
from tests.report import factory, fixed

ROWS = list(csv.DictReader(io.StringIO(text())))


def measured(data: dict[str, str], kind: str = "detector", oracles: Sequence[str] = ()) -> list[Record]:
    """Records as of another data set; with ``oracles`` measured over several hypotheses."""
    made = []
    for record in factory.study(seeds=(0,)):
        metrics = [m._replace(input=kind) for m in record.metrics]
        metrics += [m._replace(aggregation=a, oracle=True, hypotheses=20) for a in oracles for m in metrics]
        config = {**record.config, "data": {"input": kind, **data}}
        made.append(replace(record, config=config, metrics=tuple(metrics)))
    return made


def beside(*args: object, **more: object) -> Published:
    return published(measured(*args, **more), factory.about())  # type: ignore[arg-type]


def shown(found: Published) -> list[str]:
    assert found.table is not None
    return list(found.table.heads["method"])


def test_every_row_is_shown_or_left_out_with_a_reason() -> None:
    for data, kind in (({"name": "h36m"}, "detector"), ({"name": "3dhp", "annotations": "annot3"}, "gt")):
        found = beside(data, kind)
        assert len(shown(found)) + len(found.left_out) == len(ROWS)
        assert all(why for _, why in found.left_out)


@pytest.mark.parametrize("name", ["synthetic", "cmu"])
def test_on_data_that_nobody_publishes_on_there_is_one_line(name: str, tmp_path: Path) -> None:
    found = beside({"name": name})
    assert found.table is None
    assert found.said == f"Published results: no paper publishes on this data ({name})."
    page = fixed.written(measured({"name": name}), factory.about(), tmp_path)
    assert found.said in page
    assert not list(tmp_path.rglob("published*"))


def test_where_no_row_may_stand_the_reasons_do(tmp_path: Path) -> None:
    page = fixed.written(measured({"name": "3dhp", "annotations": "annot3"}), factory.about(), tmp_path)
    assert f"left out: {len(ROWS)}, [each with the reason](tables/published_left_out.md)" in page
    assert [path.name for path in tmp_path.rglob("published*")] == ["published_left_out.md"]


def test_detections_of_another_detector_are_another_input() -> None:
    found = beside({"name": "h36m"})
    assert set(shown(found)) == {"VideoPose3D", "GLA-GCN", "MixSTE", "HoT-MixSTE", "TPC-MixSTE", "PoseFormerV2"}
    why = dict(found.left_out)
    assert why["MotionBERT (human3.6m, sh, single, H = 1)"] == "another input, sh; measured here: detector"
    assert why["MixSTE (human3.6m, gt, single, H = 1)"].startswith("another input, gt")
    assert why["TCPFormer (mpi-inf-3dhp, gt, single, H = 1)"].startswith("other data, mpi-inf-3dhp and not h36m")
    assert why["HTP (human3.6m, cpn, unstated)"] == "it gives no error"
    assert "may be an oracle" in why["DDHPose (human3.6m, cpn, unstated, H = 20, K = 10)"]
    assert why["FinePOSE (human3.6m, cpn, j-best, H = 20, K = 10)"] == "another input, the true action label"


def test_an_oracle_stands_only_beside_its_like_and_in_a_column_of_its_own() -> None:
    without, having = beside({"name": "h36m"}), beside({"name": "h36m"}, oracles=["j_best", "jpma_true_root"])
    assert dict(without.left_out)["D3DP (human3.6m, cpn, j-best, H = 20, K = 10)"].startswith("an oracle, j_best")
    assert having.table is not None
    columns = {column.key: column for column in having.table.columns}
    oracle = columns["mpjpe_mm_oracle"].mean.dropna()
    assert sorted(oracle) == [33.0, 35.4, 39.5]
    assert columns["mpjpe_mm"].mean[oracle.index].isna().all()
    assert columns["mpjpe_mm_oracle"].title == "MPJPE †oracle (mm)"
    assert not any(column.ranked for column in having.table.columns)


def test_on_3dhp_the_ground_truth_must_be_the_same() -> None:
    one, other = (beside({"name": "3dhp", "annotations": truth}, "gt") for truth in ("annot3", "univ_annot3"))
    assert set(shown(one)) == {"D3DP"}
    assert set(shown(other)) == {"MotionAGFormer-B", "TCPFormer"}
    why = dict(one.left_out)["TCPFormer (mpi-inf-3dhp, gt, single, H = 1)"]
    assert why == "another ground truth, univ_annot3 and not annot3"


def test_the_table_is_below_the_main_one_with_its_sources(tmp_path: Path) -> None:
    page = fixed.written(measured({"name": "h36m"}), factory.about(), tmp_path)
    found = beside({"name": "h36m"})
    assert found.table is not None
    assert page.index("test error and compute of each") < page.index(found.table.caption) < page.index("## More tables")
    assert page.count(found.table.caption) == 1
    assert markdown(found.table) in page
    assert "VideoPose3D: table row in arXiv 2508.21363" in markdown(found.table)
    lint = (tmp_path / "tables/published_left_out.md").read_text()
    assert f"left out: {len(found.left_out)}, [each with the reason](tables/published_left_out.md)" in page
    assert lint.count("\n- ") == len(found.left_out)
    main = pd.read_csv(tmp_path / "tables/main.csv")
    assert not main["configuration"].str.contains("VideoPose3D").any()


def test_numbers_are_as_published() -> None:
    found = beside({"name": "h36m"}, "gt").table
    assert found is not None
    frame = pd.read_csv(io.StringIO(csv_text(found)))
    kept = [row for row in ROWS if (row["dataset"], row["input_2d"], row["oracle"]) == ("human3.6m", "gt", "no")]
    assert list(frame["mpjpe_mm"]) == [float(row["mpjpe_mm"]) for row in kept]
    assert found.columns[0].texts() == [row["mpjpe_mm"] for row in kept]
