"""The storage URL: what is accepted, what is told of others, and that passwords stay hidden."""

import sys

import pytest
from sqlalchemy import make_url

from ablate.errors import InputError, StorageError
from ablate.ledger.tables import prepare
from ablate.storage import Storage

URL = "postgresql+psycopg://me:secret@host:5433/lab"


def never(url: str) -> None:
    raise AssertionError("there is no server to create tables in")


def test_a_url_is_read_and_keeps_its_password_to_itself() -> None:
    storage = Storage.parse(f"{URL}?sslpassword=secret")
    assert str(storage) == repr(storage) == "postgresql+psycopg://me:***@host:5433/lab"
    assert make_url(storage.search_url).password == "secret"
    assert storage == Storage.parse(f"{URL}?sslpassword=secret")


def test_optuna_is_sent_to_its_schema_and_the_users_options_stay() -> None:
    query = make_url(
        Storage.parse(f"{URL}?sslmode=require&options=-cwork_mem%3D8MB&connect_timeout=3").search_url
    ).query
    assert query["sslmode"] == "require"
    assert query["connect_timeout"] == "3"
    assert query["keepalives_idle"] == "60"
    options = str(query["options"]).split()
    assert options[-2:] == ["-cwork_mem=8MB", "-csearch_path=optuna"]


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("postgresql://me:secret@host/lab", r"driver is psycopg; write postgresql\+psycopg://me:\*\*\*@host/lab"),
        ("postgresql+psycopg2://me:secret@host/lab", r"write postgresql\+psycopg://"),
        ("postgres://me:secret@host/lab", r"write postgresql\+psycopg://"),
        ("sqlite:///lab.db", r"on one machine leave --storage away"),
        ("mysql+pymysql://me:secret@host/lab", r"only PostgreSQL is supported"),
        ("postgresql+psycopg://me:secret@host", r"names no database"),
        ("postgresql+psycopg:me:secret@host/lab", r"this is no URL; write postgresql\+psycopg://USER@HOST/DATABASE"),
        ("postgresql+psycopg://me:secret@host:port/lab", r"this is no URL"),
        ("postgresql+psycopg://me:a@secret@host/lab", r"an @ in .* is written %40"),
        (f"{URL}?options=-csearch_path%3Dmine", r"sets a search_path"),
        (f"{URL}?options=-cwork_mem%3D8MB&options=--search-path%3Dmine", r"sets a search_path"),
    ],
)
def test_what_can_not_work_is_told_with_its_mend(text: str, mend: str) -> None:
    with pytest.raises(InputError, match=f"--storage.*{mend}") as told:
        Storage.parse(text)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    "tracking",
    [
        "postgresql://other@elsewhere/lab?options=-csearch_path%3Doptuna",
        "postgresql+psycopg2://host/lab?options=-c%20search_path%3Dmlflow,%5C%20ablate",
        'postgresql://host/lab?options=-csearch_path="$user",public&user=x',
        "postgresql://optuna:secret@host/lab",
    ],
)
def test_mlflow_in_a_schema_of_ours_is_refused(tracking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGUSER", "ablate")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking)
    with pytest.raises(InputError, match=r"MLFLOW_TRACKING_URI .*CREATE SCHEMA mlflow.*search_path%3Dmlflow") as told:
        prepare(Storage.parse(URL), never)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    "tracking",
    [
        None,
        "",
        "sqlite:////tmp/mlflow.db",
        "https://mlflow.example.org",
        "postgresql://host/lab",
        "postgresql://host/lab?options=-csearch_path%3Dmlflow",
        "postgresql://optuna@host/other",
    ],
)
def test_mlflow_elsewhere_is_fine(tracking: str | None) -> None:
    Storage.parse(URL).refuse_sharing(tracking)


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(StorageError, match=r"me:\*\*\*@127.0.0.1:1/lab: can't be reached .*start the server") as told:
        prepare(Storage.parse("postgresql+psycopg://me:secret@127.0.0.1:1/lab"), never)
    assert "secret" not in str(told.value)


def test_a_missing_driver_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputError, match=r"needs psycopg .*pip install 'pose-ablate\[postgres\]'"):
        Storage.parse("postgresql+psycopg://host/without_a_driver").engine()
