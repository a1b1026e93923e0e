"""The ledger in a real PostgreSQL: outages, restarts, broken networks."""

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection, event, text

from ablate.errors import StorageError
from ablate.ledger.folder import FolderLedger
from ablate.ledger.postgres import PostgresClaim, PostgresLedger
from ablate.storage import Storage
from tests.postgres import Line, Server
from tests.test_records import record

pytestmark = pytest.mark.slow

Machine = Callable[..., PostgresLedger]


@pytest.fixture
def machine(database: str, tmp_path: Path) -> Machine:
    """Makes the ledgers of machines: one database, and a home for each name."""

    def make(home: str = "home", **options: float) -> PostgresLedger:
        return PostgresLedger(database, "s", FolderLedger(tmp_path / home, "s"), **options)

    return make


def begun(ledger: PostgresLedger) -> PostgresClaim:
    claim = ledger.claim("train-a")
    assert claim is not None
    claim.begin()
    return claim


# Records


def test_the_first_of_two_machines_records_and_both_read_the_same(machine: Machine, tmp_path: Path) -> None:
    assert machine("one").add(record())
    assert not machine("two").add(record(best_epoch=77))
    for home in ("one", "two"):
        (found,) = machine(home).load([record().name])
        assert found == record()
    assert FolderLedger(tmp_path / "two", "s").has(record().name)


def test_the_database_holds_the_bytes_of_the_files(machine: Machine, connection: Connection, tmp_path: Path) -> None:
    machine().add(record())
    ((content, arrays),) = connection.execute(text("SELECT content, arrays FROM ablate.record")).all()
    path = tmp_path / "home" / "records" / "s" / f"{record().name}.json"
    assert content.encode() == path.read_bytes()
    assert bytes(arrays) == path.with_suffix(".npz").read_bytes()


def test_a_record_outlives_an_outage(machine: Machine, server: Server, database: str) -> None:
    refused = threading.Event()
    event.listen(Storage.parse(database).engine(), "handle_error", lambda context: refused.set())
    with ThreadPoolExecutor(1) as pool:
        with server.away():
            adding = pool.submit(machine().add, record())
            assert refused.wait(60)
        assert adding.result()
    assert machine("another").names() == {record().name}


def test_what_waits_is_sent_later_also_from_a_copied_folder(machine: Machine, server: Server, tmp_path: Path) -> None:
    with server.away(), pytest.raises(StorageError, match=r"can't be reached(?s:.*)waits in .*ablate sync"):
        machine(patience_s=0.0).add(record())
    assert machine().names() == set()
    machine("another").add(record(1))
    shutil.copytree(tmp_path / "home", tmp_path / "copied")
    shutil.rmtree(tmp_path / "home")
    copied = FolderLedger(tmp_path / "copied", "s")
    assert machine().send() == 0
    assert machine().send(copied) == 1
    assert machine().send(copied) == 0
    assert machine().names() == {record(0).name, record(1).name}
    (found,) = machine().load([record().name])
    np.testing.assert_array_equal(found.arrays["test/mpjpe_mm"], record().arrays["test/mpjpe_mm"])


def test_a_damaged_record_is_not_sent(machine: Machine, tmp_path: Path) -> None:
    copied = FolderLedger(tmp_path / "copied", "s")
    copied.add(record())
    (copied.records / f"{record().name}.npz").write_bytes(b"cut")
    with pytest.raises(StorageError, match=r"s0.json: can't be read"):
        machine().send(copied)
    assert machine().names() == set()


def test_a_question_is_one_query(machine: Machine, database: str) -> None:
    ledger = machine()
    names = [record(seed).name for seed in range(3)]
    for seed in range(3):
        ledger.add(record(seed))
    asked: list[str] = []
    event.listen(Storage.parse(database).engine(), "before_cursor_execute", lambda *about: asked.append(str(about[2])))
    assert ledger.names() == set(names)
    assert ledger.has(names[0])
    found = list(ledger.load(names[::-1]))
    assert ledger.histories(names) == {}
    assert ledger.held(names) == set()
    assert len(asked) == 5
    assert [r.name for r in found] == names[::-1]
    assert set(found[0].arrays) == {"test/mpjpe_mm"}
    assert len(asked) == 6


def test_a_record_that_is_not_there_is_told(machine: Machine) -> None:
    with pytest.raises(StorageError, match=r"study s, record nothing-s0: is not there"):
        list(machine().load(["nothing-s0"]))


# Claims


def test_times_are_the_servers(machine: Machine, connection: Connection) -> None:
    connection.execute(text("ALTER TABLE ablate.event ALTER at SET DEFAULT '2001-02-03 04:05:06.7+02'"))
    with begun(machine()):
        (running,) = machine().histories(["train-a"])["train-a"]
    assert running.started == "2001-02-03T02:05:06+00:00"


def test_a_claim_survives_a_restart_of_the_server(machine: Machine, server: Server) -> None:
    with begun(machine()) as claim:
        server.restart()
        claim.progress(1, 2)
        assert machine("another").claim("train-a") is None
        server.restart()
        claim.end("done")
        assert machine("another").held(["train-a"]) == {"train-a"}
    assert machine().held(["train-a"]) == set()
    (past,) = machine().histories(["train-a"])["train-a"]
    assert (past.outcome, past.done) == ("done", 1)


def test_a_unit_that_another_took_after_a_restart_is_the_others(machine: Machine, server: Server) -> None:
    with begun(machine()) as first:
        server.restart()
        with begun(machine("another")) as second:
            first.progress(9, 9)
            first.end("done")
            first.release()
            assert machine().claim("train-a") is None
            second.end("failed", "it diverged")
    lost, counted = machine().histories(["train-a"])["train-a"]
    assert (lost.outcome, lost.done) == (None, 0)
    assert (counted.outcome, counted.reason) == ("failed", "it diverged")


def test_a_session_that_only_the_worker_knows_is_lost_does_not_keep_its_unit(
    machine: Machine, server: Server, database: str, tmp_path: Path
) -> None:
    line = Line(server.port)
    url = database.replace(str(server.port), str(line.port))
    with begun(PostgresLedger(url, "s", FolderLedger(tmp_path / "far", "s"))) as claim:
        line.cut()
        assert machine().held(["train-a"]) == {"train-a"}
        claim.progress(1, 2)
        assert machine().claim("train-a") is None
        claim.end("done")
    assert machine().held(["train-a"]) == set()
    (past,) = machine().histories(["train-a"])["train-a"]
    assert (past.outcome, past.done) == ("done", 1)
    Storage.parse(url).engine().dispose()
    line.close()


def test_training_goes_on_without_the_server(machine: Machine, server: Server) -> None:
    with begun(machine()) as claim:
        with server.away():
            claim.progress(1, 3)
        claim.progress(2, 3)
        claim.end("done")
    (past,) = machine().histories(["train-a"])["train-a"]
    assert (past.outcome, past.done) == ("done", 2)


def test_an_interrupt_is_not_hidden_by_an_outage(machine: Machine, server: Server) -> None:
    claim = begun(machine())
    with pytest.raises(KeyboardInterrupt), server.away(), claim:
        raise KeyboardInterrupt
    with begun(machine()) as again:
        (dead,) = again.history
    assert dead.outcome is None


def test_a_dead_network_is_noticed_at_both_ends(connection: Connection) -> None:
    assert connection.scalar(text("SHOW tcp_keepalives_idle")) == "60"
    assert connection.scalar(text("SHOW tcp_user_timeout")) == "120000"
    assert connection.scalar(text("SHOW tcp_keepalives_interval")) == "10"
    assert connection.scalar(text("SHOW tcp_keepalives_count")) == "6"
    driver = connection.connection.driver_connection
    assert driver is not None
    ours = driver.info.get_parameters()
    assert ours["keepalives_idle"] == "60"
    assert ours["tcp_user_timeout"] == "120000"
