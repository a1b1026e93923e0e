"""The ledger in files: cut lines, full and read-only disks."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ablate.errors import StorageError
from ablate.ledger.folder import FolderLedger
from tests.test_records import record


def begun(home: Path) -> Path:
    claim = FolderLedger(home, "s").claim("train-a")
    assert claim is not None
    with claim:
        claim.begin()
        claim.end("done")
    return home / "ledger" / "s" / "train-a.jsonl"


@contextmanager
def full(size: int) -> Iterator[None]:
    """No file may grow beyond ``size``, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path, cut: int) -> None:
    path = begun(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    ledger = FolderLedger(tmp_path, "s")
    (past,) = ledger.histories(["train-a"])["train-a"]
    assert past.outcome is None
    begun(tmp_path)
    assert [a.outcome for a in ledger.histories(["train-a"])["train-a"]] == [None, "done"]


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    size = begun(tmp_path).stat().st_size
    claim = FolderLedger(tmp_path, "s").claim("train-a")
    assert claim is not None
    with claim, full(size + 5), pytest.raises(StorageError, match=r"train-a.jsonl: can't be written .*--home"):
        claim.begin()
    begun(tmp_path)
    assert [a.outcome for a in FolderLedger(tmp_path, "s").histories(["train-a"])["train-a"]] == ["done", "done"]


def test_an_interrupt_is_not_hidden_by_a_full_disk(tmp_path: Path) -> None:
    claim = FolderLedger(tmp_path, "s").claim("train-a")
    assert claim is not None
    claim.begin()
    size = (tmp_path / "ledger" / "s" / "train-a.jsonl").stat().st_size
    with pytest.raises(KeyboardInterrupt), full(size + 5), claim:
        raise KeyboardInterrupt
    ledger = FolderLedger(tmp_path, "s")
    assert ledger.held(["train-a"]) == set()
    (past,) = ledger.histories(["train-a"])["train-a"]
    assert past.outcome is None


def test_a_history_whose_beginning_was_lost_keeps_nobody_out(tmp_path: Path) -> None:
    path = begun(tmp_path)
    _, start, end = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n" + bytes(len(start)) + b"\n" + end)  # as a power failure leaves a block
    assert FolderLedger(tmp_path, "s").histories(["train-a"]) == {}
    begun(tmp_path)
    assert [a.outcome for a in FolderLedger(tmp_path, "s").histories(["train-a"])["train-a"]] == ["done"]


def test_a_history_that_makes_no_sense_is_not_held_for_ever(tmp_path: Path) -> None:
    path = begun(tmp_path)
    path.write_bytes(b'\n{"event": "start"}')
    ledger = FolderLedger(tmp_path, "s")
    with pytest.raises(KeyError):
        ledger.claim("train-a")
    assert ledger.held(["train-a"]) == set()


@pytest.mark.parametrize("place", ["ledger", "records"])
def test_a_home_that_is_a_file_is_told(tmp_path: Path, place: str) -> None:
    """Above all it is no empty study, which would be done again."""
    (tmp_path / place).write_text("")
    ledger = FolderLedger(tmp_path, "s")
    if place == "ledger":
        with pytest.raises(StorageError, match="can't be written"):
            ledger.claim("train-a")
        with pytest.raises(StorageError, match="can't be read"):
            ledger.held(["train-a"])
        return
    with pytest.raises(StorageError, match="can't be written"):
        ledger.add(record())
    for question in (ledger.names, lambda: ledger.has("a-s0")):
        with pytest.raises(StorageError, match="can't be read"):
            question()
