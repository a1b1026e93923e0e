"""The whole report: complete, pure, and safe to make again."""

import dataclasses
import itertools
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from ablate import report
from ablate.errors import AblateError, StorageError
from ablate.records import Record
from ablate.report import page, protocol, results, tables
from ablate.sections import ReportConfig
from tests.report import factory
from tests.report.conftest import tables_of

ROOT = Path(__file__).parents[2]

AGAIN = """
import random, sys
from pathlib import Path
from ablate import report
from tests.report import factory
records = factory.study(hypotheses=5, steps=2)
random.Random(3).shuffle(records)
report.write(records, factory.about(), Path(sys.argv[1]))
assert "torch" not in sys.modules
"""


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def small() -> list[Record]:
    return [factory.record("d3dp"), factory.record("htp", 0.5, 0.25), factory.record("htp", 0.25, 0.125)]


def test_the_report_is_complete(made: Path) -> None:
    names = ["main", "front", "validation", "per_action", "per_step", "hypotheses", "hypotheses_p_mpjpe"]
    names += ["differences", "fronts", "slice_tcep_keep_ratio", "slice_mgptp_keep_ratio"]
    slices = ("slice_tcep_keep_ratio", "slice_mgptp_keep_ratio", "heat_tcep_keep_ratio_mgptp_keep_ratio")
    pictures = ("pareto", *slices, "latency", "strip", "curves")
    expected = {"report.md", "report.html", "results.csv", "tables/macros.tex"}
    expected |= {f"tables/{name}.{suffix}" for name, suffix in itertools.product(names, ("md", "tex", "csv"))}
    expected |= {f"figures/{name}.{suffix}" for name, suffix in itertools.product(pictures, ("pdf", "png"))}
    assert set(files(made)) == expected


def test_the_same_records_give_the_same_bytes_in_any_order_and_process(made: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", AGAIN, str(tmp_path / "again")],
        check=True,
        cwd=ROOT,
        env={"PYTHONHASHSEED": "77", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "TZ": "Asia/Tokyo"},
    )
    first, second = files(made), files(tmp_path / "again")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_pictures_hold_no_date(made: Path) -> None:
    for name, content in files(made / "figures").items():
        assert b"CreationDate" not in content, name
        assert b"Creation Time" not in content, name


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, ablate.report; print([m for m in ('matplotlib', 'pandas', 'torch') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"


def test_results_give_back_every_number(made: Path) -> None:
    records = factory.study(hypotheses=5, steps=2)
    frame = pd.read_csv(made / "results.csv", keep_default_na=False, na_values={"value": []})
    assert list(frame.columns[:7]) == ["study", "trial", "label", "group", "seed", factory.KEEP, factory.CLUSTERS]
    assert list(frame.columns[7:]) == [*results.METRIC, "oracle", "value", "headline"]
    stored = {
        (row["trial"], row["seed"], *(str(row[name]) for name in results.METRIC), row["oracle"]): row["value"]
        for row in frame.to_dict("records")
    }
    expected = {
        (r.trial, r.seed, *(str(getattr(m, name)) for name in results.METRIC), m.oracle): m.value
        for r in records
        for m in r.metrics
    }
    units = {"inference_gmacs": "GMACs", "training_gmacs": "GMACs", "params_m": "M"}
    units |= {"latency_ms": "ms", "fps": "frames/s", "peak_memory_mb": "MB"}
    for r in records:
        for name, value in r.compute.items():
            if value is not None:
                expected[(r.trial, r.seed, name, units[name], *[""] * 8, False)] = value
    assert stored == expected
    assert set(frame.loc[frame["label"] == "d3dp", factory.KEEP]) == {""}


def test_every_link_of_the_page_leads_somewhere(made: Path) -> None:
    links = re.findall(r"\]\(([^)]+)\)", (made / "report.md").read_text())
    assert len(links) > 20
    assert [link for link in links if not (made / link).is_file()] == []


def test_the_page_says_what_a_reader_needs(made: Path) -> None:
    text = (made / "report.md").read_text()
    main = tables_of(factory.study(hypotheses=5, steps=2), factory.about())["main"].columns[0]
    assert main.std is not None
    assert f"The pooled seed noise is {tables.noise(main.std, main.seeds):.2f} mm." in text
    for part in (
        factory.about().question,
        "Status: 36 of 36 records, finished.",
        "Test data made from formulas",
        "configurations are on the front",
        "Hypervolume",
        "1.1 times the worst of each axis",
        "```\nablate report made_up\n```",
        "| commit           | 0123456789ab",
        "| seeds            | 0, 1, 2",
        "training 81 s (6 in all), evaluation 72 s",
        "Weights: d3dp: each (trained by itself; trainings: 3, records: 3); "
        "htp, uniform: elastic (one training serves all ratios; trainings: 3, records: 33).",
    ):
        assert part in text
    assert "uncommitted" not in text


def test_doubts_are_said_plainly() -> None:
    about = factory.about(planned=9, acknowledgement="Thanks to the people who moved.")
    records = small()
    dirty = dataclasses.replace(records[0], provenance={**records[0].provenance, "dirty": True})
    kept = results.ordered([dirty, *records[1:]], about)
    frame = results.results(kept, about)
    text = page.page(frame, kept, about, list(tables_of(kept, about).values()), [])
    assert "3 of 9 records, **not finished" in text
    assert "1 of 3 records were made with uncommitted changes" in text
    assert "0123456789ab with uncommitted changes" in text
    assert "With one seed no difference" in text
    assert text.endswith("## Acknowledgement\n\nThanks to the people who moved.\n")


def test_facts_that_differ_are_all_shown() -> None:
    records = [factory.record("htp", 0.5, 0.25), factory.record("htp", 0.5, 0.25, 1, hypotheses=5, steps=2)]
    line = protocol.summary(records)
    assert "H = 1, 5; K = 1, 2" in line
    assert protocol.fact(records, "provenance.nothing") == "not recorded"


def test_an_axis_that_was_not_measured_is_said(tmp_path: Path) -> None:
    records = [dataclasses.replace(r, compute={**r.compute, "latency_ms": None}) for r in small()]
    about = factory.about(report=ReportConfig(compute="latency_ms"), sweep=())
    text = report.write(records, about, tmp_path / "report").read_text()
    assert "No front: latency_ms was not measured." in text
    assert not (tmp_path / "report/figures/pareto.png").exists()


def test_a_new_report_replaces_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/slice_gone.png").write_text("old")
    (tmp_path / "mine.txt").write_text("kept")
    report.write(small(), factory.about(), tmp_path)
    assert not (tmp_path / "figures/slice_gone.png").exists()
    assert (tmp_path / "mine.txt").read_text() == "kept"
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", *report.CONTENT}


def test_a_report_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("old")
    with pytest.raises(AblateError, match="no record is finished"):
        report.write([], factory.about(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]
    assert (tmp_path / "report.md").read_text() == "old"


def test_records_that_contradict_each_other_are_refused() -> None:
    one = factory.record("htp", 0.5, 0.25)
    with pytest.raises(AblateError, match="handed in twice"):
        results.ordered([one, one], factory.about())
    twin = dataclasses.replace(one, trial="another")
    with pytest.raises(AblateError, match="share the label"):
        results.ordered([one, twin], factory.about())


def test_publishing_copies_the_report(made: Path, tmp_path: Path) -> None:
    report.publish(made, tmp_path / "published/made_up")
    assert files(tmp_path / "published/made_up") == files(made)


def test_runs_that_end_at_the_same_moment_leave_one_whole_report(made: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(report.publish, [made] * 40, [tmp_path / "published"] * 40))
    assert files(tmp_path / "published") == files(made)


def test_folders_that_cannot_be_used_are_named(made: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file"):
        report.write(small(), factory.about(), tmp_path / "file")
    with pytest.raises(StorageError, match="published"):
        report.publish(tmp_path / "nothing", tmp_path / "published")


def test_the_order_is_baseline_then_groups_from_costly_to_cheap() -> None:
    kept = results.ordered(factory.study()[::-1], factory.about())
    labels = list(dict.fromkeys(record.label for record in kept))
    assert labels[0] == "d3dp"
    assert [record.seed for record in kept[:3]] == [0, 1, 2]
    groups = [record.group for record in kept]
    assert groups == sorted(groups, key=["d3dp", "htp", "uniform"].index)
    costs = [record.compute["inference_gmacs"] or 0 for record in kept if record.group == "htp"]
    assert costs == sorted(costs, reverse=True)


def test_values_are_named_in_the_order_of_the_swept_paths() -> None:
    named = results.swept([factory.record("htp", 0.5, 0.125), factory.record("d3dp")], factory.about())
    assert list(named.values()) == ["0.5 / 0.125"]
    turned = factory.about(sweep=(factory.CLUSTERS, factory.KEEP))
    assert list(results.swept([factory.record("htp", 0.5, 0.125)], turned).values()) == ["0.125 / 0.5"]
