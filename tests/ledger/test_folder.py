"""The ledger in files: cut lines, full and read-only disks."""

import resource
from pathlib import Path

import pytest

from ablate.errors import StorageError
from ablate.ledger.folder import FolderLedger


def begun(home: Path) -> Path:
    claim = FolderLedger(home, "s").claim("train-a")
    assert claim is not None
    with claim:
        claim.begin()
        claim.end("done")
    return home / "ledger" / "s" / "train-a.jsonl"


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
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with claim:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, hard))
        try:
            with pytest.raises(StorageError, match=r"train-a.jsonl: can't be written .*--home"):
                claim.begin()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    begun(tmp_path)
    assert [a.outcome for a in FolderLedger(tmp_path, "s").histories(["train-a"])["train-a"]] == ["done", "done"]


def test_a_home_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("")
    with pytest.raises(StorageError, match="can't be written"):
        FolderLedger(tmp_path, "s").claim("train-a")
