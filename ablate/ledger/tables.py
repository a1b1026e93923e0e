"""What a shared database holds: our records and events, and, in the schema beside them, Optuna's own tables."""

import hashlib
import os
from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from ablate.storage import SCHEMAS, Storage

_METADATA = MetaData(schema="ablate")

RECORD = Table(
    "record",
    _METADATA,
    Column("study", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("content", Text, nullable=False),  # the JSON as it is on disk
    Column("arrays", LargeBinary, nullable=False),  # the npz as it is on disk
    Column("added", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
EVENT = Table(
    "event",
    _METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("study", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("content", JSONB, nullable=False),
    Index("event_unit", "study", "unit"),
)

_STATE = text(
    """
    SELECT count(*) FILTER (WHERE nspname = 'ablate' AND relname IN ('record', 'event')),
           count(*) FILTER (WHERE NOT has_schema_privilege(n.oid, 'USAGE') OR NOT has_table_privilege(c.oid, 'INSERT'))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE nspname = ANY (:schemas) AND relkind = 'r'
    """
)


def key(name: str) -> int:
    """What an advisory lock on ``name`` is taken on: 64 bit, signed."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def prepare(storage: Storage, create_search: Callable[[str], object]) -> None:
    """Make the schemas and all tables, once, however many processes begin at the same moment.

    ``create_search`` makes Optuna's tables in the database of a URL; it runs under a lock, since neither Optuna nor
    anybody else creates tables safely side by side. Where all is there this costs one query. Raises InputError where
    MLflow's schema is ours, and StorageError where the server can't be reached or does not permit it.
    """
    storage.refuse_sharing(os.environ.get("MLFLOW_TRACKING_URI"))
    try:
        with storage.engine().connect() as connection:
            if _ready(connection, storage):
                return
            connection.detach()  # to close it then ends the session, and with it the lock
            connection.execute(select(func.pg_advisory_lock(key("prepare"))))
            if not _ready(connection, storage):
                _create(connection, storage, create_search)
    except DBAPIError as error:
        raise storage.failure(error) from error


def _ready(connection: Connection, storage: Storage) -> bool:
    ours, denied = connection.execute(_STATE, {"schemas": list(SCHEMAS)}).one()
    if denied:
        raise storage.denial("the tables are another user's")
    return bool(ours == len(_METADATA.tables))


def _create(connection: Connection, storage: Storage, create_search: Callable[[str], object]) -> None:
    there = inspect(connection).get_schema_names()
    for schema in SCHEMAS:
        if schema not in there:
            connection.execute(CreateSchema(schema))
        elif not connection.scalar(select(func.has_schema_privilege(schema, "CREATE"))):
            raise storage.denial(f"no tables may be made in the schema {schema}")
    create_search(storage.search_url)
    with storage.engine().execution_options(isolation_level="READ COMMITTED").begin() as transaction:
        _METADATA.create_all(transaction)  # all or none, and last: where ours are there, everything is
