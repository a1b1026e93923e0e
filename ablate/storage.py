"""The PostgreSQL database that several machines share: how it is named, who lives where in it, and what goes wrong.

Two schemas lie side by side: ``ablate`` (see ledger/tables.py) and ``optuna``. MLflow may share the database, in a
schema of its own: Optuna and MLflow both own a table ``alembic_version``.
"""

import getpass
import os
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ablate.errors import InputError, StorageError

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine
    from sqlalchemy.exc import DBAPIError

SCHEMAS = ("ablate", "optuna")
_EXAMPLE = "postgresql+psycopg://USER@HOST/DATABASE"
_NEAR = ("postgresql", "postgres")

# A network or a machine that vanishes is noticed within two minutes, at both ends.
_CLIENT = {
    "connect_timeout": "10",
    "keepalives_idle": "60",
    "keepalives_interval": "10",
    "keepalives_count": "6",
    "tcp_user_timeout": "120000",
}
_SERVER = "-ctcp_keepalives_idle=60 -ctcp_keepalives_interval=10 -ctcp_keepalives_count=6 -ctcp_user_timeout=120000"


@dataclass(frozen=True, repr=False)
class Storage:
    """A database, as ``--storage`` names it. Its text and its repr keep the password to themselves."""

    url: "URL"

    @classmethod
    def parse(cls, text: str) -> "Storage":
        """Read a URL. Raises InputError, which says what, where and the mend, and never the password."""
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            url = make_url(text)
        except (ArgumentError, ValueError):
            # Without the cause, whose text may hold the password.
            raise InputError(f"--storage: this is no URL; write {_EXAMPLE}") from None
        shown = _shown(url)
        if url.drivername != "postgresql+psycopg":
            raise InputError(f"--storage {shown}: {_other(url)}")
        if "@" in (url.host or ""):
            raise InputError("--storage: an @ in a user's name or a password is written %40")
        if not url.database:
            raise InputError(f"--storage {shown}: names no database; write {_EXAMPLE}")
        if _search_path(url):
            raise InputError(f"--storage {shown}: sets a search_path, but schemas are chosen here; leave it away")
        return cls(url)

    @property
    def search_url(self) -> str:
        """The URL for Optuna, in its own schema. It holds the password: never print it."""
        return _lively(self.url, "-csearch_path=optuna").render_as_string(hide_password=False)

    def engine(self) -> "Engine":
        """SQLAlchemy's connections to it, one pool a process; each statement commits. Raises InputError."""
        return _engine(self.url)

    def refuse_sharing(self, tracking: str | None) -> None:
        """Raise InputError where MLflow at the URL ``tracking`` would write into a schema of ours.

        Hosts are not compared, since one has several names.
        """
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            url = make_url(tracking or "")
        except (ArgumentError, ValueError):
            return  # a folder, say; MLflow judges it
        if url.get_backend_name() not in _NEAR or url.database != self.url.database:
            return
        path = _search_path(url) or [url.username or _user()]  # the server's default is "$user", public
        for schema in SCHEMAS:
            if schema in path:
                raise InputError(
                    f"MLFLOW_TRACKING_URI {_shown(url)}: MLflow would share the schema {schema} of --storage; "
                    "make one for it (CREATE SCHEMA mlflow), and end the URL in ?options=-csearch_path%3Dmlflow"
                )

    def failure(self, error: "DBAPIError") -> StorageError:
        """What PostgreSQL or the way to it answered, as what, where and the mend."""
        from sqlalchemy.exc import OperationalError

        state = getattr(error.orig, "sqlstate", None)
        reason = " ".join(str(error.orig).split())
        if state == "42501":
            return self.denial(reason)
        if state in ("42P01", "3F000"):
            text = "no study was ever run here; correct --storage, or begin with ablate run --storage"
        elif isinstance(error, OperationalError):
            text = f"can't be reached ({reason}); start the server, or correct --storage"
        else:
            text = f"the database refuses ({reason})"
        return StorageError(f"{self}: {text}")

    def denial(self, reason: str) -> StorageError:
        """What a user is told who may not make or use the tables."""
        name = (self.url.username or _user()).replace('"', '""')
        schemas = ", ".join(SCHEMAS)
        mend = [
            *(f"CREATE SCHEMA IF NOT EXISTS {schema};" for schema in SCHEMAS),
            f'GRANT ALL ON SCHEMA {schemas} TO "{name}";',
            f'GRANT ALL ON ALL TABLES IN SCHEMA {schemas} TO "{name}";',
            f'GRANT ALL ON ALL SEQUENCES IN SCHEMA {schemas} TO "{name}";',
        ]
        return StorageError(f"{self}: not permitted ({reason}); let an administrator run:\n" + "\n".join(mend))

    def __str__(self) -> str:
        return _shown(self.url)

    __repr__ = __str__


@cache
def _engine(url: "URL") -> "Engine":
    from sqlalchemy import create_engine

    try:
        # Claims keep their connections; no limit, so that nothing ever waits for a free one.
        return create_engine(_lively(url), isolation_level="AUTOCOMMIT", pool_size=3, max_overflow=-1)
    except ImportError as error:
        text = f"--storage needs psycopg ({error}); install it: pip install 'pose-ablate[postgres]'"
        raise InputError(text) from error


def _shown(url: "URL") -> str:
    """A URL to be read by everybody; its query may hold a password too."""
    return url.set(query={}).render_as_string()


def _lively(url: "URL", *options: str) -> "URL":
    """``url`` with short timeouts and ``options``; what the user set goes before ours, but for ``options``."""
    own = " ".join([_SERVER, *_texts(url.query.get("options", ())), *options])
    return url.set(query={**_CLIENT, **url.query, "options": own})


def _search_path(url: "URL") -> list[str]:
    """The schemas that a URL's options name."""
    found = re.findall(r"search[_-]path\s*=\s*((?:\\.|\S)+)", " ".join(_texts(url.query.get("options", ()))), re.I)
    names = re.split(r"[\s,\\]+", ",".join(found).replace("$user", url.username or _user()))
    return [name.strip("\"'").lower() for name in names if name]


def _texts(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _user() -> str:
    """Who libpq connects as where the URL names nobody."""
    return os.environ.get("PGUSER") or getpass.getuser()


def _other(url: "URL") -> str:
    """Why another kind of database is refused."""
    backend = url.get_backend_name()
    if backend in _NEAR:
        return f"the driver is psycopg; write {_shown(url.set(drivername='postgresql+psycopg'))}"
    if backend == "sqlite":
        return "SQLite loses workers; on one machine leave --storage away, for several use PostgreSQL"
    return f"only PostgreSQL is supported; write {_EXAMPLE}"
