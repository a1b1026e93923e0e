"""Where MLflow's store is, and how it is made."""

import hashlib
import os
import platform
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ablate.errors import StorageError
from ablate.tracking.views import ERRORS, PREFIX, address
from ablate.workspace import Workspace
from ablate.writing import alone

_ID = re.compile(r"(m-)?[0-9a-f]{32}")  # MLflow's name for a run, or a logged model


def tracking_uri(workspace: Workspace) -> str:
    """MLFLOW_TRACKING_URI where it is set, else the SQLite store in the home folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{workspace.database.resolve()}"


def store_id(workspace: Workspace) -> str:
    """A name for MLflow's store, the same in every process that writes to it."""
    uri = tracking_uri(workspace)
    place = platform.node() if uri.startswith("sqlite:") else ""
    return hashlib.sha256(f"{place}{uri}".encode()).hexdigest()[:8]


def make_store(uri: str) -> None:
    """Make the SQLite store at ``uri`` where it is missing: beside its place, to be moved there whole. Raises
    StorageError.

    MLflow takes a second or more over its tables. Made in place, other processes would stumble over them meanwhile, and
    a kill would leave a file that nobody could ever open.
    """
    from sqlalchemy import make_url

    database = make_url(uri).database if uri.startswith("sqlite:") else None
    if not database or database.startswith((":memory:", "file:")) or Path(database).exists():
        return
    from mlflow.tracking import MlflowClient

    path = Path(database)
    making = path.with_name(f".{path.name}.making")
    with reaching(uri):
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path.parent):
            if path.exists():
                return
            shutil.rmtree(making, ignore_errors=True)  # left by one that was killed
            making.mkdir()
            MlflowClient(tracking_uri=f"sqlite:///{making / path.name}")
            with closing(sqlite3.connect(making / path.name)) as store:
                store.execute("PRAGMA journal_mode = WAL")  # for good: a commit flushes once, and no reader stops it
            for rest in ("-wal", "-shm"):  # of a store that is gone: SQLite would take them for this one's
                path.with_name(path.name + rest).unlink(missing_ok=True)
            (making / path.name).replace(path)
            making.rmdir()


def studies(uri: str) -> dict[str, str]:
    """Where MLflow's pages show each study of a store, the latest first: its name, and the end of an address. Raises
    StorageError."""
    from mlflow.tracking import MlflowClient

    with reaching(uri):
        found = MlflowClient(tracking_uri=uri).search_experiments()
    key = f"{PREFIX}{ERRORS}"
    return {one.name: address(one.experiment_id, ERRORS) for one in found if key in one.tags}


def unknown(workspace: Workspace) -> list[Path]:
    """Folders of artifacts in the home folder whose run or logged model its store of MLflow knows no longer, not even
    as a deleted one; none where there is no such store. Raises StorageError.

    Files of what is deleted there are MLflow's to drop, by `mlflow gc`, which forgets the models of an experiment; a
    store that was made anew knows of none that the one before left.
    """
    if not workspace.database.exists():
        return []
    # Listed first: what is made meanwhile is in the store before its folder is.
    folders = [*workspace.artifacts.glob("*/*"), *workspace.artifacts.glob("*/models/*")]
    path = workspace.database.resolve()
    # To look changes nothing: without a log of writes beside it nobody has the store open, and none need be made.
    how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?{how}", uri=True)) as store:
            queries = ("SELECT run_uuid FROM runs", "SELECT model_id FROM logged_models")
            known = {name for query in queries for (name,) in store.execute(query)}
    except sqlite3.Error as error:
        raise StorageError(f"{workspace.database}: can't be read ({error}); is it MLflow's store?") from error
    return sorted(folder for folder in folders if _ID.fullmatch(folder.name) and folder.name not in known)


@contextmanager
def reaching(uri: str) -> Iterator[None]:
    """Tells a store that can't be reached as what it is: StorageError."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise StorageError(f"{uri}: MLflow can't open it ({reason}); see MLFLOW_TRACKING_URI") from error
