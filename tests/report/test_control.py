"""The smoothing control beside pruned rows: of the same weights and seed, or not at all."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ablate.records import Record
from ablate.report.control import NOTE, control
from tests.report import factory
from tests.report.conftest import tables_of

FRAMES = factory.FRAMES


def kept(record: Record, frames: int, low_pass: int | None = None) -> Record:
    """The record with so many frames kept, judged through a low pass."""
    evaluate = {**record.config["evaluate"], **({} if low_pass is None else {"low_pass": low_pass})}
    compute = {**record.compute, "kept_frames": float(frames)}
    return replace(record, compute=compute, config={**record.config, "evaluate": evaluate})


def smoothed(seed: int, low_pass: int) -> Record:
    record = kept(factory.record("smoothed", seed=seed), FRAMES, low_pass)
    return replace(record, trial=f"smoothed-{low_pass}", label=f"smoothed {low_pass}")


def records(seeds: Sequence[int] = (0, 1)) -> list[Record]:
    rows = []
    for seed in seeds:
        rows.append(kept(factory.record("d3dp", seed=seed), FRAMES))
        rows += [kept(factory.record("htp", 0.5, clusters, seed), round(clusters * FRAMES)) for clusters in (0.25, 0.1)]
        rows.append(smoothed(seed, 20))
    return rows


def test_each_pruned_row_has_the_control_of_its_own_count_weights_and_seed() -> None:
    made = records()
    column = control(made, factory.about(), "mm")
    assert column is not None
    own = [r for r in made if r.label == "smoothed 20"]
    at_20, at_8 = (f"htp tcep.keep_ratio 0.5, mgptp.keep_ratio {ratio}" for ratio in ("0.25", "0.1"))
    assert column.mean[at_20] == pytest.approx(sum(r.value("mpjpe", "test") for r in own) / 2)
    assert column.mean.drop(at_20).isna().all()  # at 8 frames none ran; what isn't pruned has none
    assert at_8 in column.mean.index
    elsewhere = [replace(r, training_key="other") if r.label == "smoothed 20" else r for r in made]
    assert control(elsewhere, factory.about(), "mm") is None
    once = [r for r in made if r.label != "smoothed 20" or r.seed == 0]
    found = control(once, factory.about(), "mm")
    assert found is not None
    assert found.seeds[at_20] == 1


def test_a_control_is_one_of_the_same_evaluation() -> None:
    made = [
        replace(r, config={**r.config, "evaluate": {**r.config["evaluate"], "steps": 2}})
        if "smoothed" in r.label
        else r
        for r in records()
    ]
    assert control(made, factory.about(), "mm") is None


def test_the_table_explains_its_column_and_does_without() -> None:
    table = tables_of(records(), factory.about())["main"]
    assert NOTE in table.notes
    assert "MPJPE smoothed dense (mm)" in [column.title for column in table.columns]
    plain = tables_of(factory.study(), factory.about())["main"]
    assert NOTE not in plain.notes
    assert not any("smoothed" in column.title for column in plain.columns)
