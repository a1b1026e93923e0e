"""What moved between two sets of records, beyond noise."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ablate.records import Record
from ablate.report.moved import compare
from tests.report import fixed


def moved(records: Sequence[Record], by_mm: float, label: str = "") -> list[Record]:
    """The same records, those of ``label`` (or all) with errors higher by so much."""
    return [
        replace(
            record,
            metrics=tuple(m._replace(value=m.value + by_mm) for m in record.metrics),
            arrays={k: v + by_mm if k.endswith("mpjpe_mm") else v for k, v in record.arrays.items()},
        )
        if label in record.label
        else record
        for record in records
    ]


def test_the_same_records_have_not_moved() -> None:
    found = compare(fixed.study(), fixed.study())
    assert [row.label for row in found.rows] == list(dict.fromkeys(record.label for record in fixed.study()))
    assert {row.verdict for row in found.rows} == {"the same"}
    assert all(row.difference_mm == 0 and not row.compute and not row.settings for row in found.rows)
    assert not found.worse
    assert found.only_before == found.only_after == ()


def test_what_rose_is_worse_and_what_fell_is_better() -> None:
    found = compare(fixed.study(), moved(moved(fixed.study(), 1.0, "uniform"), -1.0, "d3dp"))
    by_label = {row.label: row for row in found.rows}
    assert by_label["d3dp"].verdict == "better"
    rose = next(row for label, row in by_label.items() if label.startswith("uniform"))
    assert rose.verdict == "worse"
    assert rose.difference_mm == pytest.approx(1.0)
    assert rose.after_mm - rose.before_mm == pytest.approx(1.0)
    assert (rose.low_mm or 0) <= 1.0 <= (rose.high_mm or 0)
    assert rose.seeds == 3
    assert found.worse
    assert sum(row.verdict == "the same" for row in found.rows) == 2


def test_noise_is_no_move() -> None:
    noisy = [one for record in fixed.study() for one in moved([record], (0.3, -0.4, 0.2)[record.seed])]
    assert {row.verdict for row in compare(fixed.study(), noisy).rows} == {"can't be told"}


def test_rows_are_the_same_by_what_runs_or_by_label() -> None:
    other = [
        replace(record, trial=f"other-{record.trial}", config={**record.config, "train": {"epochs": 99}})
        if record.label == "d3dp"
        else replace(record, label=f"{record.label}, renamed")
        for record in fixed.study()
    ]
    found = compare(fixed.study(), other)
    assert len(found.rows) == len(fixed.CELLS)
    dense = next(row for row in found.rows if row.label == "d3dp")
    assert dense.settings["train.epochs"] == (20, 99)
    assert dense.settings["train.mode"] == ("each", None)
    assert all(" = " in row.label and not row.settings for row in found.rows if row is not dense)


def test_settings_of_where_and_how_fast_are_no_difference() -> None:
    records = fixed.study()
    other = [
        replace(r, trial="x" + r.trial, config={**r.config, "data": {**r.config["data"], "path": "elsewhere"}})
        for r in records
    ]
    assert all(not row.settings for row in compare(records, other).rows)


def test_studies_that_share_nothing_have_no_rows() -> None:
    other = [replace(record, trial=f"x{record.trial}", label=f"x{record.label}") for record in fixed.study()]
    found = compare(fixed.study(), other)
    assert found.rows == ()
    assert len(found.only_before) == len(found.only_after) == len(fixed.CELLS)
    assert not found.worse


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda r: replace(r, data={"digest": "1" * 12}), "other data"),
        (lambda r: replace(r, config={**r.config, "evaluate": {"protocol": "reference"}}), "other protocol"),
        (lambda r: replace(r, config={**r.config, "data": {"name": "synthetic", "input": "gt"}}), "other input"),
    ],
)
def test_errors_on_other_terms_are_not_compared(change: object, why: str) -> None:
    other = [change(record) for record in fixed.study()]  # type: ignore[operator]
    other = [replace(r, metrics=tuple(m._replace(protocol=r.protocol) for m in r.metrics)) for r in other]
    for row in compare(fixed.study(), other).rows:
        assert (row.verdict, row.why, row.difference_mm) == ("not comparable", why, None)


def test_closed_form_compute_that_changed_is_told() -> None:
    other = [replace(r, compute={**r.compute, "params_m": 2.5, "latency_ms": 99.0}) for r in fixed.study()]
    assert all(dict(row.compute) == {"params_m": (1.25, 2.5)} for row in compare(fixed.study(), other).rows)


def test_one_seed_can_tell_nothing() -> None:
    found = compare(fixed.study(seeds=(0,)), moved(fixed.study(seeds=(0,)), 5.0))
    assert {row.verdict for row in found.rows} == {"not comparable"}
    assert all("seed" in row.why and row.after_mm - row.before_mm == pytest.approx(5.0) for row in found.rows)
