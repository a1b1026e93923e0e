"""The tables beside the main comparison, and that the main one holds nothing of what they show."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from ablate.metrics import AGGREGATIONS, ORACLES
from ablate.records import Metric, Record
from ablate.report.tables import Table, markdown
from tests.report import factory
from tests.report.conftest import frame_of, tables_of

ABOUT = factory.about()
DEPLOYABLE = [name for name in AGGREGATIONS if name not in ORACLES]
FURTHER = {"n_mpjpe": "mm", "acceleration_error": "mm/frame^2", "bone_variation": "mm", "asymmetry": "mm"}
AHEAD = 7.0  # by which the other protocol's numbers are larger


def everything(record: Record, *, protocol: str = "exact", shares: bool = False) -> Record:
    """The record as one of today: all aggregations and measures, under both protocols, judged by ``protocol``."""
    last = [m for m in record.metrics if m.step == m.steps and not m.action and m.aggregation == "mean"]
    more: list[Metric] = []
    if record.metrics[0].hypotheses > 1:
        for place, name in enumerate(AGGREGATIONS):
            if name not in {m.aggregation for m in record.metrics}:
                oracle = name in ORACLES
                more += [m._replace(value=m.value - 0.1 * place, aggregation=name, oracle=oracle) for m in last]
    plain = [m for m in last if m.metric == "mpjpe"]
    measures = {**FURTHER, **({"pck_150": "%", "auc": "%"} if shares else {})}
    more += [
        m._replace(metric=metric, unit=unit, value=m.value / 10) for m in plain for metric, unit in measures.items()
    ]
    own = (*record.metrics, *more)
    other = tuple(
        m._replace(protocol="reference", value=m.value + AHEAD) for m in own if m.step == m.steps and not m.action
    )
    config = {**record.config, "evaluate": {**record.config["evaluate"], "protocol": protocol}}
    provenance = {**record.provenance, "p_best_batch": 4}
    return replace(record, metrics=own + other, config=config, provenance=provenance)


def study(hypotheses: int = 5, **how: object) -> list[Record]:
    return [everything(record, **how) for record in factory.study(hypotheses=hypotheses, steps=2)]  # type: ignore[arg-type]


def keys(table: Table) -> list[str]:
    return [column.key for column in table.columns]


def test_nothing_of_it_moves_the_other_tables() -> None:
    plain, full = (tables_of(records, ABOUT) for records in (factory.study(hypotheses=5, steps=2), study()))
    for name, table in plain.items():
        if not name.startswith("hypotheses"):
            assert markdown(full[name]) == markdown(table)


def test_every_way_to_use_hypotheses_is_shown_and_oracles_stand_apart() -> None:
    made = tables_of(study(), ABOUT)
    table = made["hypotheses"]
    assert [c.ranked for c in table.columns] == [True] * 4 + [False] * 4
    assert [c.title for c in table.columns[:2]] == ["MPJPE (mm)", "MPJPE jpma (mm)"]
    for column, name in zip(table.columns, DEPLOYABLE, strict=False):
        assert column.key == f"mpjpe_{name}_mm"
    assert all("†oracle" in c.title and "_oracle_mm" in c.key for c in table.columns[4:])
    assert {name for name in ORACLES if f"mpjpe_{name}_oracle_mm" in keys(table)} == ORACLES
    said = " ".join(table.notes)
    assert "p_best_batch that of 4 windows" in said
    assert "†oracle: looks at the ground truth" in said
    aligned = made["hypotheses_p_mpjpe"]
    assert [key.replace("p_mpjpe", "mpjpe") for key in keys(aligned)] == keys(table)
    record = study()[0]
    assert table.columns[1].mean[record.label] == pytest.approx(
        sum(r.value("mpjpe", "test", "jpma") for r in study() if r.label == record.label) / 3
    )


def test_one_hypothesis_has_no_such_table() -> None:
    assert not any(name.startswith("hypotheses") for name in tables_of(study(hypotheses=1), ABOUT))


def test_spread_stands_beside_the_hypotheses_with_what_it_means() -> None:
    def told(record: Record) -> Record:
        mean = next(m for m in record.metrics if m.metric == "mpjpe" and m.split == "test" and m.step == m.steps)
        more = tuple(mean._replace(metric=f"spread_{name}", unit="", value=0.5) for name in ("correlation", "ratio"))
        return replace(record, metrics=record.metrics + more)

    table = tables_of([told(record) for record in study()], ABOUT)["hypotheses"]
    assert [c.title for c in table.columns[-2:]] == ["correlation of spread and error", "error over spread"]
    assert keys(table)[-2:] == ["spread_correlation", "spread_ratio"]
    assert not any(c.ranked for c in table.columns[-2:])
    assert any("agree more than they are right" in note for note in table.notes)


@pytest.mark.parametrize(("judged", "beside"), [("exact", "reference"), ("reference", "exact")])
def test_a_report_goes_by_one_protocol_and_shows_the_other_in_one_table(judged: str, beside: str) -> None:
    records = study(protocol=judged)
    made = tables_of(records, ABOUT)
    label = records[0].label

    def mean(protocol: str) -> float:
        values = [
            m.value
            for record in records
            for m in record.metrics
            if record.label == label and (m.protocol, m.metric, m.split) == (protocol, "mpjpe", "test")
            if m.aggregation == "mean" and m.step == m.steps and not m.action
        ]
        return sum(values) / len(values)

    both = {column.title: column.mean[label] for column in made["protocols"].columns}
    assert list(both)[:3] == [f"MPJPE, {judged} (mm)", f"P-MPJPE, {judged} (mm)", f"MPJVE, {judged} (mm/frame)"]
    assert both[f"MPJPE, {judged} (mm)"] == pytest.approx(mean(judged))
    assert both[f"MPJPE, {beside} (mm)"] == pytest.approx(mean(beside))
    assert abs(mean(judged) - mean(beside)) == pytest.approx(AHEAD)
    for name in ("main", "front", "hypotheses"):
        table = made[name]
        (column,) = (c for c in table.columns if c.key == "mpjpe_mean_mm")
        if label in column.mean:
            assert column.mean[label] == pytest.approx(mean(judged))
        assert f"Protocol {judged};" in table.notes[0]
    assert keys(made["protocols"])[0] == f"mpjpe_{judged}_mm"


def test_what_else_was_measured_has_means_and_spreads() -> None:
    table = tables_of(study(), ABOUT)["further"]
    assert keys(table) == [
        "n_mpjpe_mm",
        "mpjve_mm_per_frame",
        "acceleration_error_mm_per_frame2",
        "bone_variation_mm",
        "asymmetry_mm",
    ]
    text = markdown(table)
    assert text.count("±") >= 5 * len(table.heads)
    assert "**" not in text.splitlines()[4]  # nothing is a win here
    assert "further" not in tables_of(factory.study(), ABOUT)


def test_of_shares_the_highest_is_best() -> None:
    records = study(shares=True)
    table = tables_of(records, ABOUT)["main"]
    (share,) = (c for c in table.columns if c.key == "pck_150_mean_percent")
    assert share.mean.idxmax() in share.best
    assert share.larger
    assert any("Of PCK and AUC the highest" in note for note in table.notes)
    assert not any("PCK" in note for note in tables_of(study(), ABOUT)["main"].notes)


def of(records: Sequence[Record], truths: Sequence[str]) -> list[Record]:
    """The records as ones of 3dhp, each with a ground truth."""
    data = [{"name": "3dhp", "input": "gt", "annotations": truth} for truth in truths]
    return [replace(record, config={**record.config, "data": data[i % len(data)]}) for i, record in enumerate(records)]


def measured(tables: Mapping[str, Table]) -> list[Table]:
    """All but the one of other people's numbers."""
    return [table for name, table in tables.items() if name != "published"]


def test_a_table_says_which_ground_truth_of_3dhp_it_is_of() -> None:
    one, two = (tables_of(of(study(), truths), ABOUT) for truths in (("annot3",), ("annot3", "univ_annot3")))
    assert all("split of 3dhp (annot3);" in table.notes[0] for table in measured(one))
    assert all("two ground truths, whose errors can't be compared" in table.notes[0] for table in measured(two))


def test_a_table_says_when_nobody_was_held_out_of_training() -> None:
    every = [
        replace(record, config={**record.config, "data": {"name": "h36m", "input": "gt", "hold_out": False}})
        for record in study()
    ]
    said = "h36m, trained on the validation subjects as well;"
    assert all(said in table.notes[0] for table in measured(tables_of(every, ABOUT)))
    some = [*study()[1:], every[0]]
    assert f"in 1 of {len(some)} records trained on the validation" in tables_of(some, ABOUT)["main"].notes[0]
    assert not any("trained on the validation" in note for t in tables_of(study(), ABOUT).values() for note in t.notes)


def test_results_csv_says_which_rows_are_the_headlines() -> None:
    frame = frame_of(study(protocol="reference"), ABOUT)
    errors = frame[frame["split"] != ""]
    assert set(errors[errors["headline"]]["protocol"]) == {"reference"}
    assert set(errors[~errors["headline"]]["protocol"]) == {"exact"}
