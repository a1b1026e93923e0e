"""Macros: names that TeX takes, numbers as the tables show them, and nothing defined twice."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ablate.report.macros import macro_name, macros
from ablate.report.tables import Column, Table
from tests.report import fixed
from tests.report.conftest import tables_of

LINE = re.compile(r"\\newcommand\{(\\ablate[A-Za-z]+)\}\{(.+)\}% (.*)")


def table(name: str, key: str, values: dict[str, float], **more: object) -> Table:
    mean = pd.Series(values)
    column = Column(key=key, title=key, mean=mean, seeds=mean * 0 + 3, **more)  # type: ignore[arg-type]
    return Table(name=name, caption="", notes=[], heads=pd.DataFrame(index=mean.index), columns=[column])


@pytest.mark.parametrize(
    ("label", "key", "name"),
    [
        ("htp", "mpjpe_mean_mm", r"\ablateHtpMpjpe"),
        ("htp", "mpjve_mean_mm_per_frame", r"\ablateHtpMpjve"),
        ("htp", "mpjpe_j_best_oracle_mm", r"\ablateHtpMpjpeJBestOracle"),
        ("htp", "inference_reduction_percent", r"\ablateHtpInferenceReduction"),
        ("htp", "inference_gmacs", r"\ablateHtpInferenceGmacs"),
        ("d3dp", "pck_150_mean_percent", r"\ablateDThreeDpPckOneFiveZero"),
        ("htp tcep.keep_ratio 0.5, clusters 27", "fps", r"\ablateHtpTcepKeepRatioZeroPointFiveClustersTwoSevenFps"),
        ("a x -1e-05", "difference_low_mm", r"\ablateAXMinusOneEMinusZeroFiveDifferenceLow"),
    ],
)
def test_names_are_letters_alone(label: str, key: str, name: str) -> None:
    assert macro_name(label, key) == name


def test_every_number_of_the_main_table_and_the_differences_has_a_macro(tmp_path: Path) -> None:
    made = tables_of(fixed.study(), fixed.about())
    page = fixed.written(fixed.study(), fixed.about(), tmp_path)
    lines = (tmp_path / "tables/macros.tex").read_text().splitlines()
    found = {m[1]: m[2] for m in map(LINE.fullmatch, lines) if m}
    assert len(found) == len(lines) - 1
    columns = [*made["main"].columns, *made["differences"].columns]
    spreads = sum(column.std.notna().sum() for column in columns if column.std is not None)
    assert len(found) == sum(column.mean.notna().sum() for column in columns) + spreads
    main, differences = ({c.key: c for c in made[name].columns} for name in ("main", "differences"))
    error = main["mpjpe_mean_mm"]
    assert error.std is not None
    assert found[r"\ablateDThreeDpMpjpe"] == f"{error.mean['d3dp']:.2f}"
    assert found[r"\ablateDThreeDpMpjpeSd"] == f"{error.std['d3dp']:.2f}"
    label = next(label for label in differences["low_mm"].mean.index if label.startswith("htp tcep.keep_ratio 0.25"))
    stem = r"\ablateHtpTcepKeepRatioZeroPointTwoFiveMgptpKeepRatioZeroPointTwoFiveDifference"
    assert found[stem] == f"{differences['difference_mm'].mean[label]:+.2f}"
    assert found[f"{stem}Low"] == f"{differences['low_mm'].mean[label]:+.2f}"
    assert f"[{len(found)} LaTeX macros](tables/macros.tex)" in page


def test_signs_read_in_text_and_in_formulas() -> None:
    made = macros([table("differences", "p_holm", {"a": 0.0001, "b": -1.5}, least=0.001, digits=3)])
    assert r"\newcommand{\ablateADifferencePHolm}{\ensuremath{<}0.001}% a: p_holm" in made.text
    made = macros([table("main", "mpjpe_mean_mm", {"b": -1.5, "c": float("nan")})])
    assert r"\newcommand{\ablateBMpjpe}{\ensuremath{-}1.50}% b: mpjpe_mean_mm" in made.text
    assert (made.count, made.clashes) == (1, ())


def test_numbers_that_would_share_a_name_are_told_and_not_defined() -> None:
    made = macros([table("main", "mpjpe_mean_mm", {"keep 1": 1.0, "keep-1": 2.0, "keep_1": 3.0})])
    assert made.clashes == (r"\ablateKeepOneMpjpe",)
    assert made.count == 1
    assert r"\newcommand{\ablateKeepOneMpjpe}" not in made.text
    assert r"% \ablateKeepOneMpjpe is not defined: keep 1: mpjpe_mean_mm; keep_1: mpjpe_mean_mm" in made.text
    assert made.said.endswith(r"Not defined, since several numbers would be called so: `\ablateKeepOneMpjpe`.")


def test_a_label_in_a_comment_cannot_end_it() -> None:
    odd = replace(table("main", "mpjpe_mean_mm", {"a\n\\evil": 1.0}))
    assert all(line.startswith(("%", r"\newcommand")) for line in macros([odd]).text.splitlines())
