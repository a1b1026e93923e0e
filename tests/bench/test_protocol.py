"""`ablate bench protocol`: errors from records, times from here, and what is recommended by which of them."""

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ablate.bench import Measured
from ablate.bench.protocol import MARGIN_MM, STUDY, YARDSTICK, protocol
from ablate.errors import InputError
from ablate.loading import load
from ablate.plan import expand
from ablate.records import Record, save
from tests.test_records import record

CELLS = {cell.label: cell for cell in expand(load(STUDY))}
BASELINE, BEST = "d3dp", "htp steps 2"
SHOWN = (BASELINE, BEST, "htp steps 1", "dense steps 1")
SUBJECTS = ("S1/walking", "S2/walking", "S3/jumping")


def made(label: str, seed: int, error_mm: float, **changes: object) -> Record:
    """A record of a row with so many millimetres, more or less by seed and subject."""
    rng = np.random.default_rng([seed, len(label)])
    levels = 60 + error_mm + seed + np.array([0.0, 4.0, 8.0]) + rng.normal(0, 0.01, 3)
    arrays: dict[str, np.ndarray] = {}
    for split in ("validation", "test"):
        arrays |= {
            f"{split}/mpjpe_mm": levels.astype(np.float32),
            f"{split}/frames": np.full(3, 81, np.int32),
            f"{split}/recording": np.arange(3, dtype=np.int32),
            f"{split}/start": np.zeros(3, np.int32),
        }
    windows = {split: {"recordings": [f"{name} cam0" for name in SUBJECTS]} for split in ("validation", "test")}
    trial, key = CELLS[label].id, CELLS[label].training_key(seed)
    own = record(seed, study=STUDY, trial=trial, label=label, group=CELLS[label].group, training_key=key)
    return replace(own, arrays=arrays, windows=windows, **changes)  # type: ignore[arg-type]


def kept(home: Path, errors: Mapping[str, float]) -> Path:
    for label, error in errors.items():
        for seed in (0, 1, 2):
            save(home / "records" / STUDY, made(label, seed, error))
    return home


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    errors = {BASELINE: 0.0, BEST: 0.2, "htp steps 1": 3.0, "dense steps 1": 0.6}
    return protocol(quick=True, home=kept(tmp_path_factory.mktemp("home"), errors))


def test_the_fastest_that_is_nearly_as_good_as_the_best_is_recommended(measured: Measured) -> None:
    """Fewer passes than it has those that err more, and more passes the best."""
    *_, faster, error = measured.rows
    assert faster.what == f"recommended: {BEST}, chosen on validation"
    assert faster.promise is None  # that is of size base
    assert error.promise == MARGIN_MM
    assert error.kept
    assert error.what.startswith(f"its test error less that of {BASELINE} (+0.2")
    assert error.value == pytest.approx(0.2, abs=0.1)


def test_better_than_the_baseline_is_not_enough(tmp_path: Path) -> None:
    *_, faster, _ = protocol(quick=True, home=kept(tmp_path, {BASELINE: 2.0, BEST: 0.0, "htp steps 1": 1.0})).rows
    assert faster.what == f"recommended: {BEST}, chosen on validation"


def test_each_row_of_the_study_that_is_recorded_is_timed(measured: Measured) -> None:
    told = [row.what for row in measured.rows]
    assert told[0] == f"{YARDSTICK}, H 5, K 5, flip"
    assert any(
        text.startswith(f"{BEST} (H 1, K 2, draws first, flip last): test 65.20 mm, 3 passes, ") for text in told
    )
    assert any(text.startswith(f"{BASELINE} (H 5, K 5, flip): test 65.00 mm, 50 passes, ") for text in told)
    assert len(told) == 1 + len(SHOWN) + 2


def test_the_table_holds_the_differences(measured: Measured) -> None:
    rows = {row["label"]: row for row in csv.DictReader(io.StringIO(measured.files["protocols.csv"].decode()))}
    assert tuple(rows) == tuple(label for label in CELLS if label in SHOWN)
    assert float(rows["htp steps 1"]["test_difference_mm"]) == pytest.approx(3.0, abs=0.02)
    assert float(rows[BASELINE]["test_difference_high_mm"]) == 0
    assert (rows[BEST]["flip"], rows[BEST]["draws"], rows[BEST]["passes"]) == ("last", "first", "3")
    assert float(rows[BEST]["times_as_fast"]) > 1
    assert measured.files["protocols.png"].startswith(b"\x89PNG")


def test_what_is_not_recorded_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"{STUDY}: nothing is recorded under .*ablate run studies/{STUDY}.yaml"):
        protocol(quick=True, home=tmp_path)
    with pytest.raises(InputError, match=f"its baseline '{BASELINE}' is not recorded yet"):
        protocol(quick=True, home=kept(tmp_path, {BEST: 0.0}))


def test_records_of_two_settings_are_not_mixed(tmp_path: Path) -> None:
    save(kept(tmp_path, {BASELINE: 0.0}) / "records" / STUDY, made(BASELINE, 0, 0.0, trial="0123456789ab"))
    with pytest.raises(InputError, match=f"'{BASELINE}' is recorded with two different settings"):
        protocol(quick=True, home=tmp_path)
