"""MLflow and Optuna kept in step with the records, from a thread of its own, so that no trial waits for them."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from ablate.archive import Archive
from ablate.design import swept
from ablate.errors import StorageError
from ablate.ledger import Claim
from ablate.loading import Study
from ablate.proposals import Proposals
from ablate.quantities import UNITS, VALIDATION
from ablate.report.names import compute_title, error_title
from ablate.store import Store
from ablate.tracking import Subject, Tracker, store_id
from ablate.workspace import Workspace

RETRY_S = 5.0  # how soon a server that was away is asked again


def subject(study: Study) -> Subject:
    """What MLflow is told of a study: its question, and the numbers that its report puts first."""
    metric, compute = study.file.report.metric, study.file.report.compute
    name = next(name for name in VALIDATION if name.startswith(f"validation_{metric}_"))
    suffix = name.removeprefix(f"validation_{metric}")
    unit = next(unit for unit, ending in UNITS.items() if ending == suffix)
    return Subject(
        study=study.name,
        question=study.file.question,
        error=f"test_{metric}{suffix}",
        error_title=error_title(metric, unit),
        compute=compute,
        compute_title=compute_title(compute),
        swept=swept(study.file),
    )


class Mirror:
    """Shows a study's records while the ``with`` block lasts. One process at a time does so: a second one leaves it to
    the first, which shows the records of both."""

    def __init__(self, archive: Archive, workspace: Workspace, note: Callable[[str], None]) -> None:
        self._archive = archive
        self._proposals = Proposals(archive, workspace)
        self._workspace = workspace
        self._note = note
        self._claim: Claim | None = None
        self._tracker: Tracker | None = None
        self._shown: list[str] = []
        self.trouble: StorageError | None = None
        self._bug: Exception | None = None
        self._wake = threading.Event()
        self._settled = False
        self._thread = threading.Thread(target=self._serve, name="mirror", daemon=True)

    def __enter__(self) -> "Mirror":
        """Raises StorageError where MLflow's store can't be opened: better now than after hours of work."""
        try:
            self._open()
        except BaseException:
            self._release()
            raise
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.settle()
            self._release()
            # What another process finished while this one held the claim, and then left to it, is not to be lost.
            while self.trouble is None and self._archive.names() != self._shown and self._open():
                self._show(running=False)
                self._release()
        except StorageError as failure:
            self._tell(failure)
        finally:
            self._release()

    def wake(self) -> None:
        """There may be new records."""
        self._wake.set()

    def settle(self) -> None:
        """Show everything that is recorded by now, and go on no further by itself. What can't be shown is noted."""
        if not self._settled:
            self._settled = True
            self._wake.set()
            self._thread.join()
            if self._bug is not None:
                raise self._bug
            self._show(running=False)

    def attach(self, study_yaml: str, report: Path, store: Store, keys: Iterable[str]) -> bool:
        """Put the report and the weights beside the records; False where that can't be done now."""
        if self._tracker is None:
            return False  # another process shows this study, or it was said that MLflow can't be reached
        try:
            self._tracker.attach(study_yaml, report)
            for key in sorted(set(keys)):
                if self._tracker.lacks_model(key):
                    with store.file(key) as path:
                        self._tracker.attach_model(key, path)
        except StorageError as error:
            self._note(f"{error}; `ablate sync` sends the report and the weights")
            return False
        return True

    def _serve(self) -> None:
        try:
            while not self._settled:
                self._show(running=True)
                self._wake.wait(RETRY_S if self.trouble else None)
                self._wake.clear()
        except Exception as error:  # told by the thread that can stop the program
            self._bug = error

    def _show(self, *, running: bool) -> None:
        try:
            if self._tracker is None and not self._open():
                if not running:
                    self._note("another run of this study shows its records in MLflow, these among them")
                return
            assert self._tracker is not None
            names = self._archive.names()
            load = self._archive.ledger.load
            planned = self._archive.planned - (0 if running else len(self._proposals.pruned()))
            self._tracker.mirror(planned, names, load, running=running)
            self._proposals.sync()
            self._shown, self.trouble = names, None
        except StorageError as error:
            if self.trouble is None or not running:
                self._tell(error)
            self._tracker, self.trouble = None, error

    def _tell(self, error: StorageError) -> None:
        self._note(f"{error}; nothing is lost: what is finished waits in the records, `ablate sync` sends it")

    def _open(self) -> bool:
        """Become the one that shows this study; False while another process is."""
        if self._claim is None:
            self._claim = self._archive.ledger.claim(f"mirror-{store_id(self._workspace)}")
        if self._claim is None:
            return False
        self._tracker = Tracker(subject(self._archive.study), self._workspace)
        return True

    def _release(self) -> None:
        if self._claim is not None:
            self._claim.__exit__(None, None, None)
        self._claim = self._tracker = None
