"""A server as a process of its own, for tests that need one."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(arguments: Sequence[str], port: int, folder: Path, path: str = "/health") -> Iterator[None]:
    """``python -m`` with these arguments, in ``folder``, from its first answer at ``path`` on until the block ends."""
    command = [sys.executable, "-m", *arguments, "--port", str(port)]
    log = folder / "server.log"
    with log.open("a") as said:
        server = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said, start_new_session=True)
        try:
            deadline = time.monotonic() + 120
            while not _answers(port, path):
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.5)
            yield
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # with the processes that it has started
            server.wait(timeout=30)


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
            return True
    except OSError:
        return False
