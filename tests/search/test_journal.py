"""Where a search is kept: a journal that survives kills and cuts, or a database."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ablate.errors import StorageError
from ablate.plan import expand
from ablate.search import Search, optuna_storage
from tests.search.bench import Bench, sampled
from tests.test_study import study


def test_a_database_holds_a_search_as_well(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    bench = Bench(tmp_path, sampled(trials=3, more="constraints: [latency_ms <= 2]"))

    def worker() -> Search:
        return Search(bench.study, expand(bench.study), optuna_storage(url))

    first, *_ = [worker().propose() for _ in range(4)]
    assert first is not None
    bench.ledger.finish(first)
    bench.sync(worker(), {t.name: "failed" for t in worker().open() if t.name != first.name})
    bench.sync(worker())
    assert len(worker().open()) == 2
    assert worker().propose() is None
    with pytest.raises(StorageError, match=r"\*\*\*@nowhere.invalid/x: can't be reached"):
        optuna_storage("postgresql+psycopg://user:secret@nowhere.invalid/x")


def test_a_line_that_was_cut_short_does_not_spoil_the_journal(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled())
    bench.run()
    whole = bench.path.read_bytes()
    with bench.path.open("ab") as file:
        file.write(b'{"op_code":4,"worker')
    states = bench.states()
    search = bench.worker()
    bench.study = study(sampled(trials=8))
    assert bench.worker().propose() is not None
    assert bench.path.read_bytes().startswith(whole)
    assert (bench.states()[: len(states)], bench.states()[-1]) == (states, "RUNNING")
    assert len(search.open()) == 1
    bench.path.write_bytes(b"spoilt\n" + whole)
    with pytest.raises(StorageError, match="made again from the records"):
        bench.worker()


HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "rb+")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled())
    search = bench.worker()
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(bench.path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    assert search.propose() is not None
    assert [p.name for p in tmp_path.iterdir()] == ["optuna.journal"]


def test_a_storage_that_vanishes_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled())
    search = bench.worker()
    bench.path.unlink()
    with pytest.raises(StorageError, match=r"can't reach its storage.*optuna\.journal"):
        search.propose()
    with pytest.raises(StorageError, match="can't be opened"):
        optuna_storage(tmp_path / "missing" / "optuna.journal")
