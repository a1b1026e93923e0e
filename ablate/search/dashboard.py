"""Optuna's own dashboard on the searches of a home folder, or of the database that several machines share."""

from pathlib import Path

from ablate.errors import InputError
from ablate.search.journal import optuna_storage

HOST = "127.0.0.1"


def serve(at: Path | str, port: int) -> None:
    """Show what is stored ``at`` (a journal's path, a database's URL) on this machine only, until it is interrupted.

    Raises InputError where the dashboard isn't installed or the port is taken, StorageError where the storage can't be
    read.
    """
    try:
        from optuna_dashboard import run_server
    except ImportError as error:
        text = "--optuna: the dashboard isn't installed; pip install 'pose-ablate[dashboard]' brings it"
        raise InputError(text) from error
    try:
        run_server(optuna_storage(at), host=HOST, port=port)
    except OSError as error:
        raise InputError(f"--port {port}: can't be opened ({error.strerror}); name another") from error
