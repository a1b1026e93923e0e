"""A real PostgreSQL made ready: eight workers on a fresh database at once, two users, MLflow beside us."""

import multiprocessing
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from ablate.errors import InputError, StorageError
from ablate.ledger.folder import FolderLedger
from ablate.ledger.postgres import PostgresLedger
from ablate.ledger.tables import prepare
from ablate.search import create_tables
from ablate.storage import Storage
from tests.postgres import Server
from tests.test_records import record

pytestmark = pytest.mark.slow


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    with engine.connect() as opened:
        inspector = inspect(opened)
        found = {f"{schema}.{name}" for schema in ("ablate", "optuna") for name in inspector.get_table_names(schema)}
        if "optuna.alembic_version" in found:
            assert opened.scalar(text("SELECT count(*) FROM optuna.alembic_version")) == 1
            assert opened.scalar(text("SELECT count(*) FROM optuna.version_info")) == 1
    engine.dispose()
    return found


@pytest.fixture
def empty(server: Server) -> Iterator[str]:
    """The URL of a fresh database without any tables."""
    url = server.create()
    yield url
    Storage.parse(url).engine().dispose()


def never(url: str) -> None:
    raise AssertionError("Optuna's tables are there")


def prepare_together(urls: list[str], barrier: Barrier) -> None:
    for url in urls:
        barrier.wait(120)
        prepare(Storage.parse(url), create_tables)
        Storage.parse(url).engine().dispose()


def test_eight_workers_prepare_a_fresh_database_at_once(server: Server, database: str) -> None:
    urls = [server.create() for _ in range(20)]
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(8)
    workers = [context.Process(target=prepare_together, args=(urls, barrier)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 8
    expected = tables(database)
    assert {"ablate.record", "ablate.event", "optuna.trials"} <= expected
    for url in urls:
        assert tables(url) == expected


def test_what_a_killed_worker_left_half_prepared_is_finished(empty: str, database: str) -> None:
    def killed(url: str) -> None:
        create_tables(url)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(Storage.parse(empty), killed)
    with pytest.raises(StorageError, match=r"no study was ever run here"):
        PostgresLedger(empty, "s", FolderLedger(Path("home"), "s")).names()
    prepare(Storage.parse(empty), create_tables)
    assert tables(empty) == tables(database)
    prepare(Storage.parse(empty), never)


def test_optuna_sees_its_schema_and_the_users_own_options(database: str, connection: Connection) -> None:
    engine = create_engine(Storage.parse(f"{database}?options=-cwork_mem%3D8MB").search_url)
    with engine.connect() as opened:
        assert opened.scalar(text("SHOW search_path")) == "optuna"
        assert opened.scalar(text("SHOW work_mem")) == "8MB"
    engine.dispose()
    assert connection.scalar(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")) == 0


def test_mlflow_keeps_to_a_schema_of_its_own(
    database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{database}?options=-csearch_path%3Doptuna")
    with pytest.raises(InputError, match=r"MLFLOW_TRACKING_URI .*share the schema optuna"):
        prepare(Storage.parse(database), never)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{database}?options=-csearch_path%3Dmlflow")
    prepare(Storage.parse(database), never)


def test_two_users_need_rights_and_do_not_disturb_each_other(server: Server, empty: str, tmp_path: Path) -> None:
    name = empty.rpartition("/")[2]
    server.run("CREATE ROLE alice LOGIN", 'CREATE ROLE "bob""s" LOGIN')
    alice, bob = server.url(name, "alice"), server.url(name, "bob%22s")
    for url in (alice, bob):
        with pytest.raises(StorageError, match=r"not permitted .*let an administrator run:") as told:
            prepare(Storage.parse(url), create_tables)
        server.run(*str(told.value).splitlines()[1:], database=name)
        prepare(Storage.parse(url), create_tables)
    hers = PostgresLedger(alice, "s", FolderLedger(tmp_path / "alice", "s"))
    his = PostgresLedger(bob, "s", FolderLedger(tmp_path / "bob", "s"))
    wide, deep = record(trial="aaaaaaaaaaaa"), record(trial="bbbbbbbbbbbb", best_epoch=1)
    wide_training, deep_training = hers.claim("train-a"), his.claim("train-b")
    assert wide_training is not None
    assert deep_training is not None
    with wide_training, deep_training:
        wide_training.begin()
        assert hers.add(wide)
        assert his.add(deep)
        assert deep_training.history == []
        assert his.claim("train-a") is None
        wide_training.end("done")
    assert list(hers.load([wide.name])) == [wide]
    assert list(his.load([deep.name])) == [deep]
    for url in (alice, bob):
        Storage.parse(url).engine().dispose()
