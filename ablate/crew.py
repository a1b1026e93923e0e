"""Workers in processes of their own: on this machine, or wherever a job scheduler puts them.

A process gets an order in plain values and makes everything else itself, so that it works alike as a child, on another
machine, and for `ablate worker`.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from ablate.attempts import TRIES
from ablate.errors import AblateError, InputError
from ablate.loading import Study, check
from ablate.plugin import Plugin, loaded
from ablate.source import Source
from ablate.storage import Storage
from ablate.workspace import Workspace

STOPPED = 130  # a worker's exit code when it was told to stop
GRACE_S = 10.0  # how long a worker may take to stop

Refusal = tuple[type[AblateError], str]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What one worker needs to know. ``workers`` share this machine, of which it is number ``index``; ``trimmed`` are
    cells to leave out, by id with the reason; ``plugins`` come along whole, as they were when the order was given."""

    path: str
    text: str
    values: Mapping[str, Any]
    workspace: Workspace
    tries: int = TRIES
    workers: int = 1
    index: int = 0
    trimmed: Mapping[str, str] = field(default_factory=dict)
    plugins: tuple[Plugin, ...] = ()

    @classmethod
    def of(cls, study: Study, workspace: Workspace, tries: int = TRIES, workers: int = 1) -> "Order":
        source = study.source
        return cls(
            path=source.path,
            text=source.text,
            values=study.base,
            workspace=workspace,
            tries=tries,
            workers=workers,
            plugins=loaded(),
        )

    @property
    def study(self) -> Study:
        return check(Source(self.path, self.text, dict(self.values), None))


def prepare(workspace: Workspace) -> None:
    """Make folders, schemas and tables once, before anybody uses them. Raises InputError, StorageError."""
    workspace.prepare()
    if workspace.storage is not None:
        from ablate.ledger import tables
        from ablate.search import create_tables

        storage = Storage.parse(workspace.storage)
        storage.refuse_sharing(os.environ.get("MLFLOW_TRACKING_URI"))
        tables.prepare(storage, create_tables)


def work(order: Order) -> None:
    """Be a worker until the study is finished, as far as it can be. Raises InputError, StorageError."""
    _share_machine(order)
    from ablate.archive import Archive
    from ablate.laboratory import Laboratory
    from ablate.ledger import open_ledger
    from ablate.proposals import Proposals
    from ablate.store import Store
    from ablate.terminal import Silent
    from ablate.worker import Worker

    for plugin in order.plugins:
        plugin.load()
    study = order.study
    archive = Archive(study, open_ledger(order.workspace, study.name), order.trimmed)
    archive.ledger.send()
    laboratory = Laboratory(study.name, Store(order.workspace.weights), order.workspace.home, order.workers)
    propose = Proposals(archive, order.workspace).more
    Worker(archive, laboratory, Silent(), propose=propose, tries=order.tries).work()


def _share_machine(order: Order) -> None:
    """An equal share of the cores, and one GPU where there are any."""
    if order.workers == 1:
        return
    import torch

    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // order.workers))
    count = torch.cuda.device_count()  # asks the driver and starts nothing: what is visible can still be narrowed
    if count:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(count)))
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[order.index % count]


class Crew:
    """Worker processes of this machine. One that is killed is replaced; what it was at, another tries again."""

    def __init__(self, order: Order, limit: int) -> None:
        """``limit`` bounds how many are replaced in all, should they die before they can begin anything."""
        self._order = order
        self._limit = limit
        self._context = multiprocessing.get_context("spawn")
        self._members: dict[int, tuple[BaseProcess, Connection]] = {}

    def start(self) -> None:
        for index in range(self._order.workers):
            self._hire(index)

    def _hire(self, index: int) -> None:
        here, there = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_serve, args=(replace(self._order, index=index), there))
        process.start()
        there.close()
        self._members[index] = process, here

    def watch(self) -> bool:
        """Replace who died; False once all have finished. Raises what a worker could not go on from."""
        for index, (process, errors) in list(self._members.items()):
            if process.is_alive():
                continue
            process.join()
            del self._members[index]
            if errors.poll():
                try:
                    kind, text = errors.recv()
                    raise kind(text)
                except EOFError:
                    pass
            if process.exitcode:
                self._limit -= 1
                if self._limit < 0:
                    raise AblateError(f"workers die again and again (the last with exit code {process.exitcode})")
                self._hire(index)
        return bool(self._members)

    def stop(self) -> None:
        """Tell all to stop, and wait until they have."""
        for process, _ in self._members.values():
            process.terminate()
        for process, _ in self._members.values():
            process.join(GRACE_S)
            if process.is_alive():
                process.kill()
                process.join()


def _serve(order: Order, errors: Connection) -> None:
    """The process of one worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches everyone: the parent decides, and says SIGTERM
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        work(order)
    except AblateError as error:
        errors.send(refused(error))
    except KeyboardInterrupt:
        raise SystemExit(STOPPED) from None


def refused(error: AblateError) -> Refusal:
    """An error that a worker could not go on from, as plain values: its family and its text."""
    return InputError if isinstance(error, InputError) else AblateError, str(error)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _leave_with_parent() -> None:
    """Nobody is left to show what a worker does once its parent was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
