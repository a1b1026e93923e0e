"""The table of differences: against the baseline, in the report's metric, with intervals or the reason for none."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ablate.report.importance import importance_table
from ablate.report.tables import csv, markdown, tex
from ablate.sections import ReportConfig
from tests.report import factory
from tests.report.conftest import frame_of, tables_of


def test_each_configuration_stands_against_the_baseline() -> None:
    records = factory.study()
    made = tables_of(records, factory.about())["differences"]
    assert "d3dp" not in made.heads.index
    assert len(made.heads) == 11
    values = {column.key: column.mean for column in made.columns}
    label = made.heads.index[0]
    own, base = (
        np.array([record.value("mpjpe", "test") for record in records if record.label == name])
        for name in (label, "d3dp")
    )
    assert values["difference_mm"][label] == pytest.approx((own - base).mean())
    assert values["low_mm"][label] < values["difference_mm"][label] < values["high_mm"][label]
    assert (values["p_holm"] >= values["p"]).all()
    assert values["p_holm"].min() == pytest.approx(min(1, 11 * values["p"].min()))
    assert (values["seeds_compared"] == 3).all()
    assert "against d3dp (mm)" in made.caption
    assert "Student's t, paired by 3 seeds alone" in markdown(made)


def test_an_interval_of_two_trainings_is_the_paired_t_test() -> None:
    records = [r for r in factory.study() if r.label in ("d3dp", "htp tcep.keep_ratio 0.5, mgptp.keep_ratio 0.25")]
    made = tables_of(records, factory.about())["differences"]
    own, base = ([r.value("mpjpe", "test") for r in records if (r.label == "d3dp") == dense] for dense in (False, True))
    low, high = stats.ttest_rel(own, base).confidence_interval(0.95)
    values = {column.key: column.mean.iloc[0] for column in made.columns}
    assert (values["low_mm"], values["high_mm"]) == pytest.approx((low, high))


def test_the_margin_is_the_studys() -> None:
    wide, narrow = (
        tables_of(factory.study(), factory.about(report=ReportConfig(margin_mm=margin)))["differences"]
        for margin in (5.0, 0.01)
    )
    assert "smaller than 5 mm" in markdown(wide)
    nil = {column.key: column.mean for column in wide.columns}["nil"]
    assert (nil > {column.key: column.mean for column in narrow.columns}["nil"]).all()


def test_a_margin_in_millimetres_says_nothing_of_other_units() -> None:
    made = tables_of(factory.study(), factory.about(report=ReportConfig(metric="mpjve")))["differences"]
    assert "nil" not in [column.key for column in made.columns]
    assert "mm/frame" in made.caption
    assert made.columns[0].key == "difference_mm_per_frame"


def test_one_seed_gives_differences_without_intervals_and_says_why() -> None:
    made = tables_of(factory.study(seeds=[0]), factory.about())["differences"]
    values = {column.key: column.mean for column in made.columns}
    assert values["difference_mm"].notna().all()
    assert values["low_mm"].isna().all()
    assert values["nil"].isna().all()
    assert "a single training says nothing of others" in markdown(made)
    assert r"\textbf" not in tex(made)
    assert "difference_mm" in csv(made)


def test_without_the_baseline_there_is_no_such_table() -> None:
    records = [record for record in factory.study() if record.label != "d3dp"]
    assert "differences" not in tables_of(records, factory.about())


def test_importances_need_many_configurations_and_two_values() -> None:
    asked: list[int] = []

    def shares(values: object, errors: object) -> dict[str, float]:
        asked.append(len(values))  # type: ignore[arg-type]
        return {factory.KEEP: 0.75, factory.CLUSTERS: 0.25}

    about, few = factory.about(), factory.study()
    assert importance_table(frame_of(few, about), few, about, shares) is None
    assert asked == []
    many = [
        replace(factory.record("htp", keep, clusters, seed))
        for keep in np.linspace(0.1, 0.9, 5)
        for clusters in np.linspace(0.1, 0.5, 4)
        for seed in (0, 1)
    ]
    made = importance_table(frame_of(many, about), many, about, shares)
    assert made is not None
    assert asked == [20]
    assert made.columns[0].mean.tolist() == [75.0, 25.0]
    assert made.heads["value"].tolist() == [factory.KEEP, factory.CLUSTERS]
    assert "main" not in made.name
