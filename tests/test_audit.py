"""Published compute is converted by this zoo's own count, and what is open stays open."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import models
from ablate.audit import Row, audit
from ablate.audit.layout import COLUMNS, cells, reasons
from ablate.audit.page import as_csv, write
from ablate.audit.published import STATED, Stated, read, table
from ablate.errors import DataError, StorageError
from tests.conftest import ROOT

HEAD = table().splitlines()[0]
LINEAR = "MACs per window; attention products not counted"
FLOPS = "FLOPs per window = 2 x linear MACs; attention products not counted"


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return audit()


def the(rows: list[Row], method: str, number: float | None) -> Row:
    (row,) = (row for row in rows if (row.published.method, row.published.compute_g) == (method, number))
    return row


def published(method: str, number: float, convention: str, frames: int = 243) -> str:
    """A table of one figure."""
    row = dict.fromkeys(HEAD.split(","), "") | {"method": method, "frames": str(frames), "compute_g": str(number)}
    text = io.StringIO()
    csv.writer(text).writerow((row | {"compute_convention": convention}).values())
    return f"{HEAD}\n{text.getvalue()}"


def linear(model: str) -> float:
    return sum(kinds["linear"] for kinds in models.cost(models.config(model)).stages.values())


@pytest.mark.parametrize(
    ("method", "number", "model", "factor"),
    [
        ("MixSTE", 277.25, "mixste", 2),
        ("MixSTE", 139.0, "mixste", 1),
        ("HoT-MixSTE", 167.5, "hot", 2),
    ],
)
def test_published_figures_are_multiples_of_the_linear_layers_alone(
    rows: list[Row], method: str, number: float, model: str, factor: int
) -> None:
    row = the(rows, method, number)
    assert row.zoo is not None
    assert row.reading is not None
    assert (row.reading.factor, row.reading.attention, row.reading.per) == (factor, False, "window")
    assert row.reading.value == pytest.approx(factor * linear(model), rel=1e-12)
    assert row.reading.off_percent == pytest.approx(100 * (number / (factor * linear(model)) - 1), abs=1e-9)
    assert abs(row.reading.off_percent) < 0.3
    assert abs(row.readings[1].off_percent) > 4  # no other reading is near
    whole = models.cost(models.config(model)).pass_gmacs
    assert row.zoo.gmacs == pytest.approx(whole, rel=1e-12)
    assert row.gmacs == pytest.approx(whole, rel=0.003)
    assert row.gmacs == pytest.approx(number / factor * whole / linear(model), rel=1e-12)


def test_the_pruned_form_without_recovery_is_counted_too(rows: list[Row]) -> None:
    row = the(rows, "TPC-MixSTE", 251.3)
    assert row.reading is not None
    assert abs(row.reading.off_percent) < 0.01


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("per", ["window", "frame"])
def test_the_reading_follows_the_number_and_not_the_source(factor: int, attention: bool, per: str) -> None:
    macs = models.cost(models.config("mixste")).pass_gmacs if attention else linear("mixste")
    number = factor * macs / (243 if per == "frame" else 1)
    row = audit(published("MixSTE", number, FLOPS))[0]
    assert row.reading is not None
    assert (row.reading.factor, row.reading.attention, row.reading.per) == (factor, attention, per)
    agrees = (factor, attention, per) == (2, False, "window")
    assert any(why == "the table of published figures says the same" for why in row.why) is agrees
    assert any("the table says otherwise" in why for why in row.why) is not agrees
    assert row.gmacs == pytest.approx(models.cost(models.config("mixste")).pass_gmacs)


def test_a_model_that_the_zoo_has_not_is_converted_only_where_the_words_settle_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(STATED, "all of it", Stated(unit="FLOPs", factor=2, attention=True, per="window"))
    row = audit(published("MotionBERT", 12.0, "all of it"))[0]
    assert row.gmacs == 6.0
    assert "by the table's words alone" in row.why[0]
    row = audit(published("MotionBERT", 12.0, LINEAR))[0]
    assert row.gmacs is None
    assert "depend on a network that this zoo hasn't" in row.why[1]


def test_each_gap_is_explained() -> None:
    counted_once = audit(published("MixSTE", 4 * linear("mixste") / 243, FLOPS))[0].why
    told = "; ".join(counted_once)
    for part in ("FLOPs = 2 x MACs", "flip averaging", "attention and other products are not counted: 8.80", "frames"):
        assert part in told
    assert "flip averaging" in "; ".join(audit(published("MixSTE", 2 * linear("mixste"), LINEAR))[0].why)


def test_a_figure_that_no_reading_reaches_is_not_converted() -> None:
    row = audit(published("MixSTE", 1.02 * linear("mixste"), LINEAR))[0]
    assert row.reading is None
    assert row.gmacs is None
    assert "no reading of this zoo's count is within 1 %" in row.why[0]


def test_the_window_of_the_source_is_what_is_counted() -> None:
    macs = models.cost(models.config("mixste", frames=81)).pass_gmacs
    row = audit(published("MixSTE", macs, "MACs per window", frames=81))[0]
    assert row.reading is not None
    assert row.reading.attention


def test_what_cannot_be_converted_says_what_is_missing(rows: list[Row]) -> None:
    missing = {
        "MotionBERT": "whether attention products are counted is open",
        "MotionAGFormer-B": "whether attention products are counted is open",
        "PoseFormerV2": "27 frames for one pose",
        "FinePOSE": "200 passes",
        "HTP": "there is no absolute figure",
    }
    unconverted = [row for row in rows if row.published.convention and row.gmacs is None]
    assert [row.published.method for row in unconverted] == list(missing)
    for row in unconverted:
        assert "can't be converted" in row.why[0]
        assert missing[row.published.method] in "; ".join(row.why)
        assert "can't be" in cells(row)


def test_every_published_figure_and_every_host_has_its_row(rows: list[Row]) -> None:
    with_number = {row["compute_g"] for row in csv.DictReader(io.StringIO(table())) if row["compute_g"]}
    assert sorted(map(float, with_number)) == sorted(g for row in rows if (g := row.published.compute_g) is not None)
    assert {row.zoo.model for row in rows if row.zoo is not None} >= {*models.hosts(), "hot", "htp"}


def test_designs_of_our_own_are_said_to_be(rows: list[Row]) -> None:
    said = {row.published.method for row in rows if "our own design" in "; ".join(row.why)}
    assert said == {"HTP", "KTPFormer-diffusion"}


def test_a_relative_claim_stands_beside_what_our_design_saves(rows: list[Row]) -> None:
    (row,) = (row for row in rows if row.published.method == "HTP")
    own, host = (models.cost(models.config(name), flip=True).inference_gmacs for name in ("htp", "d3dp"))
    assert "-56.8 %" in row.why[0]
    assert f"takes {100 * (1 - own / host):.1f} % fewer MACs" in row.why[2]


def test_the_readme_says_what_the_audit_found(rows: list[Row]) -> None:
    figures = (("MixSTE", 277.25), ("HoT-MixSTE", 167.5), ("MixSTE", 139.0))
    first, second, third = (f"{the(rows, method, number).gmacs:.1f}" for method, number in figures)
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"with attention they are {first}, {second} and {third} GMACs of a pass" in text


def test_what_is_published_is_what_is_counted_now(rows: list[Row], tmp_path: Path) -> None:
    write(rows, tmp_path)
    for name in ("audit.md", "audit.csv"):
        assert (ROOT / "reports" / "published" / "audit" / name).read_text() == (tmp_path / name).read_text()
    assert (ROOT / "reports" / "published" / "audit" / "figures" / "audit.png").exists()


def test_diffusion_lifters_state_their_passes(rows: list[Row]) -> None:
    windows = [row.zoo for row in rows if row.published.method == "D3DP" and row.zoo is not None]
    assert [(zoo.hypotheses, zoo.steps, zoo.flip) for zoo in windows] == [(20, 10, True), (20, 1, True)]
    for zoo in windows:
        assert zoo.window_gmacs == pytest.approx(zoo.gmacs * zoo.hypotheses * zoo.steps * 2)


def test_a_convention_that_is_not_known_is_refused() -> None:
    with pytest.raises(DataError, match=r"line 2: convention 'MACs per mille' is not one of"):
        read(published("MixSTE", 1.0, "MACs per mille"))
    assert {figure.convention for figure in read(table()) if figure.compute_g is not None} == set(STATED)


def test_the_page_its_table_and_its_figure_are_written_alike_each_time(rows: list[Row], tmp_path: Path) -> None:
    page = write(rows, tmp_path / "one")
    text = page.read_text()
    assert text.count("\n|") == len(rows) + 2
    for column in COLUMNS:
        assert column in text
    for reason in reasons(rows):
        assert reason in text
    write(rows, tmp_path / "two")
    for name in ("audit.md", "audit.csv", "figures/audit.png", "figures/audit.pdf"):
        first = (tmp_path / "one" / name).read_bytes()
        assert first
        assert first == (tmp_path / "two" / name).read_bytes()


def test_the_table_for_programs_is_unrounded(rows: list[Row]) -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        assert line["converted_gmacs"] == ("" if row.gmacs is None else str(row.gmacs))
        assert line["zoo_pass_gmacs"] == ("" if row.zoo is None else str(row.zoo.gmacs))
    assert lines[0]["attention_counted"] == "False"


def test_a_folder_that_cannot_be_written_is_said(rows: list[Row], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError, match="choose another --out"):
        write(rows, tmp_path / "taken")


def test_the_command_prints_a_table_or_json(tmp_path: Path) -> None:
    env = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "ablate", "audit"]
    told = subprocess.run([*command, "--json"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    entries = json.loads(told.stdout)
    hot = next(entry for entry in entries if entry["published"]["method"] == "HoT-MixSTE")
    assert hot["reading"]["factor"] == 2
    assert hot["zoo"]["gmacs"] == pytest.approx(88.12, abs=0.01)
    assert list(tmp_path.iterdir()) == []  # with --json it only prints
    shown = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True).stdout
    assert max(map(len, shown.splitlines())) <= 80
    for text in ("277.25 GFLOPs", "167.5 GFLOPs", "139 GMACs", "2 x linear", "1 x linear", "147.42", "88.12"):
        assert text in shown
    assert (tmp_path / "reports" / "audit" / "audit.md").exists()
