"""What is bold, what is marked, what is escaped, and whether the numbers are the records' own."""

import io
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ablate.records import Record
from ablate.report.tables import PAGE_WIDTH, Column, Table, _blocks, digits, latex, markdown, noise, tex
from ablate.report.tables import csv as csv_text
from tests.report import factory
from tests.report.conftest import tables_of

LABELS = ["a", "b", "c", "d", "e"]


def column(mean: list[float], std: list[float], seeds: list[int], ranked: bool = True) -> Column:
    index = LABELS[: len(mean)]
    series = [pd.Series(values, index=index, dtype=float) for values in (mean, std, seeds)]
    return Column(key="x_mm", title="x (mm)", mean=series[0], std=series[1], seeds=series[2], ranked=ranked)


def table(value: Column, name: str = "a_b & 100%") -> Table:
    heads = pd.DataFrame({"configuration": [f"{name} {label}" for label in value.mean.index]}, index=value.mean.index)
    return Table(name="t", caption="50% of x_1 & more", notes=["#1 {note} \\ ~ ^"], heads=heads, columns=[value])


def test_noise_is_pooled_over_degrees_of_freedom() -> None:
    # (2-1) * 1^2 + (4-1) * 3^2 over 1 + 3
    assert noise(pd.Series([1.0, 3.0]), pd.Series([2, 4])) == pytest.approx(np.sqrt(28 / 4))


def test_a_row_without_a_value_is_a_dash() -> None:
    value = column([np.nan, 2.0, 3.0], [np.nan, 0.1, 0.1], [0, 2, 2])
    assert value.texts()[0] == "\N{EN DASH}"


def test_signs_and_small_numbers_are_written_out() -> None:
    signed = replace(column([0.25, -0.5], [0.1, 0.1], [2, 2]), ranked=False, signed=True)
    assert signed.texts() == ["+0.25", "\N{MINUS SIGN}0.50"]
    small = replace(column([0.0004, 0.04], [0.1, 0.1], [2, 2]), ranked=False, digits=3, least=0.001)
    assert small.texts() == ["<0.001", "0.040"]
    assert r"\textless{}0.001" in tex(table(small))


def test_what_is_best_is_bold_in_markdown_and_latex() -> None:
    made = table(replace(column([1.0, 2.0, 3.0], [0.1, 0.1, 0.1], [2, 2, 2]), best=frozenset("ab")))
    for text in ("**1.00 ± 0.10**", "**2.00 ± 0.10**"):
        assert text in markdown(made)
    assert r"\textbf{1.00 $\pm$ 0.10}" in tex(made)
    assert tex(made).count(r"\textbf") == 2
    assert "**3.00" not in markdown(made)


def test_an_oracle_is_never_bold() -> None:
    value = replace(column([1.0, 2.0], [0.1, 0.1], [2, 2], ranked=False), best=frozenset("a"))
    assert r"\textbf" not in tex(table(value))


def levels(*errors: float, seeds: int = 3) -> list[Record]:
    """A record a configuration and seed with this error, and seed noise of 0.1 mm."""
    made = []
    for row, error in enumerate(errors):
        for seed in range(seeds):
            noise = np.random.default_rng([row, seed]).normal(0, 0.1)
            one = factory.record("htp", 1 / (row + 1), 0.25, seed)
            trial = f"trial {row}"
            made.append(
                replace(
                    one,
                    label=trial,
                    trial=trial,
                    training_key=f"{row}-{seed}",
                    metrics=factory.metrics(error + noise, 1, 1),
                )
            )
    return made


def test_bold_is_the_best_and_what_cannot_be_told_from_it() -> None:
    made = tables_of(levels(46.0, 46.05, 48.0, 49.0), factory.about())["main"]
    first = made.columns[0]
    assert first.best == {"trial 0", "trial 1"}
    text = markdown(made)
    assert "can't be told from it" in text
    assert "by seed alone" in text  # these records hold no errors of windows


def test_windows_errors_pair_by_recording() -> None:
    records = []
    for one in levels(46.0, 46.05, 48.0):
        base, own = one.value("mpjpe", "test"), np.random.default_rng(0).normal(0, 8, 8)
        arrays = {
            "test/mpjpe_mm": (base + own - own.mean()).astype(np.float32),
            "test/frames": np.full(8, 81, np.int32),
            "test/recording": np.arange(8, dtype=np.int32),
        }
        names = [f"S{number // 2}/walking {number} cam" for number in range(8)]
        records.append(replace(one, arrays=arrays, windows={"test": {"recordings": names}}))
    text = markdown(tables_of(records, factory.about())["main"])
    assert "MPJPE (mm) by seed and 4 subjects" in text
    assert "P-MPJPE (mm), MPJVE (mm/frame) by seed alone" in text


def test_everything_special_to_latex_is_escaped() -> None:
    made = tex(table(column([1.0], [0.1], [2])))
    assert r"a\_b \& 100\% a" in made
    assert r"50\% of x\_1 \& more" in made
    assert r"\#1 \{note\} \textbackslash{} \textasciitilde{} \textasciicircum{}" in made
    assert latex("$5 <6>") == r"\$5 \textless{}6\textgreater{}"
    assert made.isascii()


def test_latex_needs_booktabs_and_nothing_else() -> None:
    made = tex(tables_of(factory.study(hypotheses=5), factory.about())["main"])
    known = {
        *("begin", "end", "centering", "footnotesize", "setlength", "tabcolsep", "caption", "label", "shortstack"),
        *("toprule", "midrule", "bottomrule", "textbf", "par", "medskip", "smallskip", "parbox"),
        *("linewidth", "pm", "times", "dagger", "surd", "Sigma"),
    }
    assert set(re.findall(r"\\([A-Za-z]+)", made.replace(r"\\", " "))) <= known
    assert made.isascii()


def test_a_pipe_in_a_name_does_not_end_a_markdown_cell() -> None:
    assert r"a\|b a" in markdown(table(column([1.0], [0.1], [2]), name="a|b"))


def test_latex_columns_fit_the_page_and_none_is_lost() -> None:
    wide = tables_of(factory.study(hypotheses=5), factory.about())["main"]
    blocks = _blocks(wide)
    assert [title for block in blocks for title in block] == [c.title for c in wide.columns]
    assert len(blocks) == 2
    rows = [line for line in tex(wide).splitlines() if line.startswith("htp & 0.5 & 0.25 & ")]
    assert len(rows) == len(blocks)
    assert all(len(row) < 1.5 * PAGE_WIDTH for row in rows)


@pytest.mark.parametrize(("largest", "expected"), [(147.4, 1), (0.0213, 5), (5000.0, 0), (0.0, 0)])
def test_digits_show_four_significant_figures(largest: float, expected: int) -> None:
    assert digits(pd.Series([largest, largest / 10])) == expected


def test_oracles_stand_apart_and_are_not_ranked() -> None:
    made = tables_of(factory.study(hypotheses=5), factory.about())["main"]
    errors = [c for c in made.columns if c.key.endswith(("_mm", "_mm_per_frame"))]
    assert [c.key for c in errors if "oracle" in c.key] == ["mpjpe_p_best_oracle_mm", "mpjpe_j_best_oracle_mm"]
    assert [c.title for c in errors][3:] == ["MPJPE p_best †oracle (mm)", "MPJPE j_best †oracle (mm)"]
    assert [c.ranked for c in errors] == [True, True, True, False, False]
    assert "†oracle: looks at the ground truth" in markdown(made)


def test_one_hypothesis_has_no_oracle() -> None:
    made = tables_of(factory.study(), factory.about())["main"]
    assert "oracle" not in markdown(made)


def test_one_seed_says_why_nothing_is_bold() -> None:
    for made in tables_of(factory.study(seeds=[4], steps=2), factory.about()).values():
        cells = markdown(made).split("\n\n", 1)[1]
        assert "**" not in cells
        assert "±" not in cells
        if made.name in ("differences", "fronts") or any(column.ranked for column in made.columns):
            assert "One seed" in cells


def test_unfinished_seeds_say_why_nothing_is_bold() -> None:
    records = factory.study()[:-2]  # the last configuration keeps one of three seeds
    made = markdown(tables_of(records, factory.about())["main"])
    assert "1 of 12 configurations have fewer than two seeds" in made


def test_values_are_the_records_means_and_spreads() -> None:
    records = factory.study()
    made = tables_of(records, factory.about())["main"]
    frame = pd.read_csv(io.StringIO(csv_text(made)), index_col="configuration")
    for label in {record.label for record in records}:
        values = [record.value("mpjpe", "test") for record in records if record.label == label]
        assert frame.loc[label, "mpjpe_mean_mm"] == pytest.approx(np.mean(values), rel=1e-12)
        assert frame.loc[label, "mpjpe_mean_mm_std"] == pytest.approx(np.std(values, ddof=1), rel=1e-9)
        assert frame.loc[label, "seeds"] == 3


def test_reductions_and_speed_refer_to_the_baseline() -> None:
    records = factory.study()
    frame = pd.read_csv(io.StringIO(csv_text(tables_of(records, factory.about())["main"])), index_col="configuration")
    by_label = {record.label: record.compute for record in records if record.seed == 0}
    dense = by_label["d3dp"]
    for label, compute in by_label.items():
        assert frame.loc[label, "inference_gmacs"] == compute["inference_gmacs"]
        for kind in ("inference", "training"):
            own, base = compute[f"{kind}_gmacs"], dense[f"{kind}_gmacs"]
            assert own is not None
            assert base is not None
            expected = 100 * (base - own) / base
            assert frame.loc[label, f"{kind}_reduction_percent"] == pytest.approx(expected, abs=1e-9)
    assert frame.loc["d3dp", "inference_reduction_percent"] == 0
    latency = frame["latency_ms"].to_numpy()
    assert frame.index[0] == "d3dp"
    assert frame["speed_ratio"].to_numpy() == pytest.approx(latency[0] / latency)


def test_another_baseline_moves_every_reduction() -> None:
    records = factory.study()
    label = records[-1].label
    made = tables_of(records, factory.about(baseline=label))["main"]
    assert made.heads.index[0] == label
    assert f"against {label}" in markdown(made)


def test_a_missing_baseline_is_said() -> None:
    records = [record for record in factory.study() if record.label != "d3dp"]
    made = tables_of(records, factory.about())["main"]
    assert "The baseline d3dp is not finished" in markdown(made)
    assert next(c for c in made.columns if c.key == "speed_ratio").mean.isna().all()


def test_a_compute_value_that_was_not_measured_has_no_column() -> None:
    records = [replace(r, compute={**r.compute, "latency_ms": None, "fps": None}) for r in factory.study()]
    keys = {column.key for column in tables_of(records, factory.about())["main"].columns}
    assert keys.isdisjoint({"latency_ms", "fps", "speed_ratio"})
    assert "inference_gmacs" in keys


def test_actions_and_steps_have_tables_of_their_own() -> None:
    made = tables_of(factory.study(steps=3), factory.about())
    assert [c.title for c in made["per_action"].columns] == list(factory.ACTIONS)
    assert [c.title for c in made["per_step"].columns] == ["step 1", "step 2", "step 3"]
    last = made["per_step"].columns[-1].mean
    assert last.to_numpy() == pytest.approx(made["main"].columns[0].mean.to_numpy())
    assert "per_step" not in tables_of(factory.study(), factory.about())


def test_the_caption_states_protocol_and_noise() -> None:
    made = tables_of(factory.study(hypotheses=5), factory.about())["main"]
    text = markdown(made)
    assert "H = 5; K = 1; flip averaging on; seeds 0, 1, 2" in text
    assert "F = 81 frames" in text
    first = made.columns[0]
    assert first.std is not None
    assert f"MPJPE (mm) {noise(first.std, first.seeds):.2f}" in text


def test_latencies_measured_beside_other_workers_are_said_to_be() -> None:
    records = factory.study()
    assert "other workers" not in markdown(tables_of(records, factory.about())["main"])
    crowded = [replace(record, provenance={**record.provenance, "workers": 4}) for record in records[:2]]
    assert "beside up to 3 other workers" in markdown(tables_of([*crowded, *records[2:]], factory.about())["main"])


def test_an_oracle_over_a_single_hypothesis_is_left_out() -> None:
    records = [
        replace(record, metrics=tuple(metric._replace(hypotheses=1) for metric in record.metrics))
        for record in factory.study(hypotheses=5)
    ]
    assert "oracle" not in markdown(tables_of(records, factory.about())["main"])


def test_the_front_table_lists_the_front_cheapest_first() -> None:
    made = tables_of(factory.study(hypotheses=5), factory.about())
    rows = pd.DataFrame({c.key: c.mean for c in made["main"].columns})
    error, cost = rows["mpjpe_mean_mm"], rows["inference_gmacs"]
    beaten = [any((error <= e) & (cost <= c) & ((error < e) | (cost < c))) for e, c in zip(error, cost, strict=True)]
    expected = list(cost[[not b for b in beaten]].sort_values(kind="stable").index)
    table = made["front"]
    assert sorted(table.heads.index) == sorted(expected)
    costs = next(c for c in table.columns if c.key == "inference_gmacs").mean
    assert list(costs) == sorted(costs)
    assert "oracle" not in markdown(table)
