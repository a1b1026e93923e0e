"""A real PostgreSQL for the tests: started here on a port of its own, stopped at the end."""

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text

from ablate.storage import Storage


class Server:
    """One server, with as many fresh databases as tests want."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._as: list[str] = []
        if os.getuid() == 0:  # it refuses to be run by root
            shutil.chown(folder, "postgres")
            self._as = ["runuser", "-u", "postgres", "--"]
        made = ["initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale"]
        self._run([*made, "--no-sync"])
        self.start()

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k {self._folder} -F"  # -F: no test pulls a plug
        self._run(["pg_ctl", "-w", "-D", f"{self._folder}/data", "-l", f"{self._folder}/log", "-o", options, "start"])

    def stop(self) -> None:
        """As on a computer that is shut down: sessions are ended, nothing is lost."""
        self._run(["pg_ctl", "-w", "-m", "fast", "-D", f"{self._folder}/data", "stop"])

    @contextmanager
    def away(self) -> Iterator[None]:
        """It is stopped within the block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def restart(self) -> None:
        with self.away():
            pass

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql+psycopg://{user}@127.0.0.1:{self.port}/{database}"

    def create(self, template: str = "template1") -> str:
        """The URL of a new database; a copy of another where one is named."""
        name = f"test{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def run(self, *statements: str, database: str = "postgres") -> None:
        """SQL as the administrator."""
        engine = create_engine(self.url(database), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def _run(self, command: list[str]) -> None:
        binary = next(iter(_binaries(command[0])))
        done = subprocess.run(
            [*self._as, binary, *command[1:]],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would be kept open by the server
            stderr=subprocess.DEVNULL,
        )
        log = self._folder / "log"
        assert done.returncode == 0, f"{command}\n{log.read_text() if log.exists() else ''}"


class Line:
    """A network between a worker and the server, which can break so that only the worker sees it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._near: list[socket.socket] = []
        self._far: list[socket.socket] = []
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._near.append(self._listener.accept()[0])
                self._far.append(socket.create_connection(("127.0.0.1", self._port)))
                for ends in ((self._near[-1], self._far[-1]), (self._far[-1], self._near[-1])):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    def cut(self) -> None:
        for end in self._near:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for end in (self._listener, *self._near, *self._far):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _binaries(name: str) -> list[str]:
    """Where a program of PostgreSQL is: on the path, or where Debian keeps it, the newest first."""
    there = sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), reverse=True)
    return [*filter(None, [shutil.which(name)]), *there]


def _missing() -> str | None:
    """Why no server can be had here."""
    if not (_binaries("initdb") and _binaries("pg_ctl")):
        return "no PostgreSQL server on this machine"
    if os.getuid() == 0 and not any(user.pw_name == "postgres" for user in pwd.getpwall()):
        return "PostgreSQL does not run as root, and there is no user postgres"
    return None


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    reason = _missing()
    if reason is not None:
        if "ABLATE_CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="ablate-postgres-"))  # pytest's own folders are closed to other users
    try:
        running = Server(folder)
        yield running
        running.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def prepared(server: Server) -> Callable[[], str]:
    """Makes the URLs of new databases with all tables."""
    from ablate.ledger.tables import prepare
    from ablate.search import create_tables

    template = server.create()
    prepare(Storage.parse(template), create_tables)
    Storage.parse(template).engine().dispose()
    return lambda: server.create(template.rpartition("/")[2])


@pytest.fixture
def database(prepared: Callable[[], str]) -> Iterator[str]:
    """The URL of a fresh database with all tables."""
    url = prepared()
    yield url
    Storage.parse(url).engine().dispose()


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with Storage.parse(database).engine().connect() as opened:
        yield opened
