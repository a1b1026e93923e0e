"""What every ledger promises, on files and on a real PostgreSQL."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ablate.ledger import Attempt, Ledger, open_ledger, refusal
from ablate.workspace import Workspace
from tests.conftest import ROOT
from tests.test_records import record

HOLD = """
import sys
from pathlib import Path
from ablate.ledger import open_ledger
from ablate.workspace import Workspace
home, storage = sys.argv[1:]
claim = open_ledger(Workspace(home=Path(home), storage=storage or None), "s").claim("train-a")
with claim:
    claim.begin()
    claim.progress(3, 7)
    print("held", flush=True)
    sys.stdin.read()
"""


class Opener:
    """Opens the same ledger again and again, as other processes would."""

    def __init__(self, home: Path, storage: str | None) -> None:
        self.home, self.storage = home, storage

    def __call__(self, study: str = "s") -> Ledger:
        return open_ledger(Workspace(home=self.home, storage=self.storage), study)

    def holder(self) -> subprocess.Popen[str]:
        """Another process that holds the unit ``train-a`` until it is told to go, or killed."""
        command = [sys.executable, "-c", HOLD, str(self.home), self.storage or ""]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process


@pytest.fixture(params=["folder", pytest.param("postgres", marks=pytest.mark.slow)])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    return Opener(tmp_path, request.getfixturevalue("database") if request.param == "postgres" else None)


def test_a_record_is_kept_once_and_comes_back(opener: Opener) -> None:
    ledger = opener()
    assert ledger.names() == set()
    assert ledger.add(record(0))
    assert ledger.add(record(1))
    assert not opener().add(record(0, best_epoch=77))
    again = opener()
    assert again.names() == {record(0).name, record(1).name}
    assert again.has(record(0).name)
    assert not again.has("0123456789ab-s7")
    second, first = again.load([record(1).name, record(0).name])
    assert (first, second) == (record(0), record(1))
    np.testing.assert_array_equal(first.arrays["test/mpjpe_mm"], record().arrays["test/mpjpe_mm"])


def test_of_many_that_add_one_record_at_once_one_does(opener: Opener) -> None:
    many = 8
    barrier = threading.Barrier(many)

    def add(number: int) -> bool:
        mine = record(0, best_epoch=number, arrays={"number": np.full(100_000, number)})
        ledger = opener()
        barrier.wait(60)
        return ledger.add(mine)

    with ThreadPoolExecutor(many) as pool:
        added = list(pool.map(add, range(many)))
    assert added.count(True) == 1
    (kept,) = opener().load([record(0).name])
    # One of them, whole. Which one is no matter: who finds another's in the home folder brings that to the database.
    assert (kept.arrays["number"] == kept.best_epoch).all()


def test_studies_do_not_mix(opener: Opener) -> None:
    opener("one").add(record())
    claim = opener("one").claim("train-a")
    assert claim is not None
    with claim:
        claim.begin()
        assert opener("other").names() == set()
        assert opener("other").held(["train-a"]) == set()
        assert opener("other").histories(["train-a"]) == {}


def test_a_unit_is_held_by_one(opener: Opener) -> None:
    ledger = opener()
    claim = ledger.claim("train-a")
    assert claim is not None
    with claim:
        claim.begin()
        assert opener().claim("train-a") is None
        assert ledger.claim("train-a") is None
        assert opener().held(["train-a", "train-b"]) == {"train-a"}
        claim.progress(2, 5, "loss 3 mm")
        (now,) = opener().histories(["train-a", "train-b"])["train-a"]
        assert (now.outcome, now.done, now.total, now.note) == (None, 2, 5, "loss 3 mm")
        claim.end("done")
    assert opener().held(["train-a"]) == set()
    again = opener().claim("train-a")
    assert again is not None
    with again:
        (past,) = again.history
    assert (past.outcome, past.done) == ("done", 2)
    assert past.started <= past.ended


def test_what_ends_by_itself_was_interrupted(opener: Opener) -> None:
    claim = opener().claim("train-a")
    assert claim is not None
    with pytest.raises(KeyboardInterrupt), claim:  # noqa: PT012  (the block is what is tested)
        claim.begin()
        raise KeyboardInterrupt
    (past,) = opener().histories(["train-a"])["train-a"]
    assert past.outcome == "interrupted"


def test_looking_without_beginning_leaves_no_trace(opener: Opener) -> None:
    claim = opener().claim("train-a")
    assert claim is not None
    with claim:
        assert claim.history == []
    assert opener().histories(["train-a"]) == {}


def test_a_killed_holder_frees_its_unit_and_its_attempt_stays(opener: Opener) -> None:
    with opener.holder() as process:
        assert opener().claim("train-a") is None
        process.kill()
    claim = None
    while claim is None:  # a server notices a moment later
        claim = opener().claim("train-a")
    with claim:
        (dead,) = claim.history
    assert (dead.outcome, dead.done, dead.total, dead.ended) == (None, 3, 7, "")
    assert dead.worker.endswith(f":{process.pid}")


def test_forgiving_starts_the_count_anew_and_keeps_the_history(opener: Opener) -> None:
    claim = opener().claim("train-a")
    assert claim is not None
    with claim:
        claim.begin()
        claim.end("failed", "it diverged")
    assert refusal(opener().histories(["train-a"])["train-a"]) == "it diverged"
    opener().forgive(["train-a"])
    (past,) = opener().histories(["train-a"])["train-a"]
    assert (past.outcome, past.forgiven) == ("failed", True)
    assert refusal([past]) is None


def test_what_died_is_tried_again_until_a_cap() -> None:
    dead = Attempt(worker="here:1", started="2026-01-01T00:00:00+00:00")
    stopped = Attempt(worker="here:2", started="2026-01-01T00:00:00+00:00", outcome="interrupted")
    full = Attempt(worker="here:3", started="2026-01-01T00:00:00+00:00", outcome="out_of_memory", reason="no memory")
    assert refusal([dead, stopped, stopped, dead], tries=3) is None
    assert refusal([dead, stopped, dead, dead], tries=3) == "its worker died 3 times, the last was here:1"
    assert refusal([dead, dead, full], tries=3) == "no memory"
