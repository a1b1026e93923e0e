"""Slice tables: one for each swept value, everything else held fixed in a row."""

from dataclasses import replace

import numpy as np
import pytest

from ablate.report.sliced import VALUES
from ablate.report.tables import markdown
from tests.report import factory
from tests.report.conftest import tables_of


def test_a_row_holds_everything_else_fixed() -> None:
    records = factory.study()
    made = tables_of(records, factory.about())
    table = made["slice_tcep_keep_ratio"]
    assert list(table.heads.columns) == ["configuration", "mgptp.keep_ratio"]
    assert list(table.heads["configuration"]) == ["htp"] * 3  # uniform's rows share no other value
    assert [c.title for c in table.columns[:3]] == [f"tcep.keep_ratio {v} (mm)" for v in ("0.2", "0.333", "0.5")]
    assert [c.key for c in table.columns[3:]] == [f"inference_gmacs_at_{v}" for v in ("0.2", "0.333", "0.5")]
    row = table.heads.index[list(table.heads["mgptp.keep_ratio"]).index("0.25")]
    values = [r.value("mpjpe", "test") for r in records if r.params == {factory.KEEP: 0.2, factory.CLUSTERS: 0.25}]
    assert len(values) == 3
    assert table.columns[0].mean[row] == pytest.approx(np.mean(values))
    assert table.columns[0].std is not None
    assert table.columns[0].std[row] == pytest.approx(np.std(values, ddof=1))
    assert "±" in markdown(table)
    assert table.columns[3].std is None
    assert "slice_mgptp_keep_ratio" in made


def test_a_value_that_a_row_lacks_is_a_dash() -> None:
    gone = factory.record("htp", 0.2, 0.25).label
    made = tables_of([record for record in factory.study() if record.label != gone], factory.about())
    table = made["slice_tcep_keep_ratio"]
    row = table.heads.index[list(table.heads["mgptp.keep_ratio"]).index("0.25")]
    assert table.texts().loc[row, "tcep.keep_ratio 0.2 (mm)"] == "\N{EN DASH}"
    assert table.columns[0].seeds[row] == 0


def test_what_is_sampled_has_no_slice_table() -> None:
    ratios = np.linspace(0.2, 0.9, VALUES + 1)
    records = [factory.record("d3dp"), *(factory.record("htp", float(ratio), 0.25) for ratio in ratios)]
    assert not [name for name in tables_of(records, factory.about()) if name.startswith("slice")]
    assert "slice_tcep_keep_ratio" in tables_of(records[:-1], factory.about())


def test_words_stand_as_they_come_and_components_are_on_or_off() -> None:
    paths = ("tcep", "mgptp")
    cells = [(True, True), (False, True), (True, False), (False, False)]
    records = [
        replace(factory.record("htp", 0.5, 0.1 + i / 8), label=f"row {i}", params=dict(zip(paths, cell, strict=True)))
        for i, cell in enumerate(cells)
    ]
    made = tables_of(records, factory.about(sweep=paths, baseline="row 3"))["slice_tcep"]
    assert sorted(made.heads["mgptp"]) == ["off", "on"]
    assert {c.title for c in made.columns[:2]} == {"tcep on (mm)", "tcep off (mm)"}
