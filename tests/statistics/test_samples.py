"""Records become samples: each recording's error is the frame-weighted mean over its windows and cameras."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ablate.records import Record
from ablate.statistics.samples import samples
from tests.report import factory

VIEWS = ("S9/Walk 1 cam0", "S9/Walk 1 cam1", "S11/Walk 2 cam0", "S11/Sit cam0")
# window by window: which view, frames that count, error
WINDOWS = ((0, 10, 40.0), (0, 5, 46.0), (1, 15, 44.0), (2, 8, 30.0), (3, 4, 50.0), (3, 0, np.nan))
EXPECTED = {"S9/Walk 1": (10 * 40 + 5 * 46 + 15 * 44) / 30, "S11/Walk 2": 30.0, "S11/Sit": 50.0}


def windowed(record: Record, shift: float = 0.0, views: Sequence[str] = VIEWS, **changes: Any) -> Record:
    view_W, frames_W, error_W = zip(*WINDOWS, strict=True)
    arrays = {
        "test/mpjpe_mm": np.array(error_W, np.float32) + np.float32(shift),
        "test/frames": np.array(frames_W, np.int32),
        "test/recording": np.array(view_W, np.int32),
    }
    return replace(record, arrays=arrays, windows={"test": {"recordings": list(views)}}, **changes)


def two() -> list[Record]:
    return [
        windowed(factory.record(group, *kept, seed=seed), shift)
        for group, kept, shift in (("d3dp", (1.0, 1.0), 0.0), ("htp", (0.5, 0.25), 2.0))
        for seed in (0, 1)
    ]


def test_a_recording_is_all_its_cameras_and_windows_by_frames() -> None:
    found = samples(two())
    assert found.subject_R == ("S11", "S11", "S9")
    assert found.action_R == ("Sit", "Walk", "Walk")
    assert found.weight_R.tolist() == [4, 8, 30]
    expected = [EXPECTED[name] for name in ("S11/Sit", "S11/Walk 2", "S9/Walk 1")]
    assert found.error_LSR[0, 0].tolist() == pytest.approx(expected)
    assert found.error_LSR[1, 1].tolist() == pytest.approx([error + 2 for error in expected])
    assert found.mean_LS[0, 0] == pytest.approx((4 * expected[0] + 8 * expected[1] + 30 * expected[2]) / 42)
    assert found.training_LS.tolist() == [["dense-0", "dense-1"], ["elastic-0", "elastic-1"]]
    assert found.recorded


def test_views_in_another_order_are_the_same_recordings() -> None:
    first, *others = two()
    turned = dict(first.arrays) | {"test/recording": 3 - first.arrays["test/recording"]}
    turned_record = replace(first, arrays=turned, windows={"test": {"recordings": list(VIEWS[::-1])}})
    assert samples([turned_record, *others]).error_LSR == pytest.approx(samples([first, *others]).error_LSR)


def test_what_is_missing_is_nan_and_the_order_of_records_does_not_matter() -> None:
    records = two()[:-1]
    found = samples(records)
    assert np.isnan(found.error_LSR[1, 1]).all()
    assert found.training_LS[1, 1] == ""
    again = samples([records[2], records[0], records[1]])
    places = [again.labels.index(label) for label in found.labels]
    assert np.array_equal(again.error_LSR[places], found.error_LSR, equal_nan=True)


def test_records_without_windows_give_overall_values_alone() -> None:
    records = [*two()[:3], factory.record("htp", 0.5, 0.25, 1)]
    found = samples(records)
    assert found.error_LSR.shape == (2, 2, 0)
    assert not found.recorded
    values = found.table((r.label, r.seed, r.value("mpjpe", "test")) for r in records)
    whole = found.overall(values)
    assert not whole.recorded
    assert whole.mean_LS[1, 1] == records[3].value("mpjpe", "test")
    with pytest.raises(ValueError, match="shape"):
        found.overall(values[:1])


def test_a_sequence_is_its_own_subject_and_action() -> None:
    names = ("TS1 test", "TS2 test", "TS2 test", "TS3 test")
    found = samples([windowed(record, views=names) for record in two()])
    assert found.subject_R == found.action_R == ("TS1", "TS2", "TS3")


def test_the_reference_protocol_weighs_actions_alike() -> None:
    records = [
        replace(record, config={**record.config, "evaluate": {**record.config["evaluate"], "protocol": "reference"}})
        for record in two()
    ]
    found = samples(records)
    by_action = {name: found.weight_R[np.array(found.action_R) == name].sum() for name in ("Sit", "Walk")}
    assert by_action["Sit"] == pytest.approx(by_action["Walk"])
    sit, *walk = found.error_LSR[0, 0]
    assert found.mean_LS[0, 0] == pytest.approx((sit + (8 * walk[0] + 30 * walk[1]) / 38) / 2)


def test_samples_of_one_action() -> None:
    found = samples(two()).of_action("Walk")
    assert found.subject_R == ("S11", "S9")
    assert found.mean_LS[0, 0] == pytest.approx((8 * 30 + 30 * EXPECTED["S9/Walk 1"]) / 38)


def test_a_label_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match="nobody is none of"):
        samples(two()).place("nobody")
