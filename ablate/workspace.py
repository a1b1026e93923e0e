"""Where things lie: the records' home, the reports' folder, and what several machines share."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from ablate.errors import StorageError


@dataclass(frozen=True)
class Workspace:
    """``home`` keeps records, weights, MLflow's and Optuna's stores; ``reports`` gets the generated reports.

    ``storage`` is the URL of the PostgreSQL database that carries claims, records and search of several machines (None:
    files in the home folder), ``store`` the folder or fsspec URL of their weights (None: the home folder).
    """

    home: Path = Path(".ablate")
    reports: Path = Path("reports")
    storage: str | None = None
    store: str | None = None

    def records(self, study: str) -> Path:
        return self.home / "records" / study

    @property
    def weights(self) -> str | Path:
        """The root of the store of weights and checkpoints."""
        return self.store or self.home

    @property
    def journal(self) -> Path:
        return self.home / "optuna.journal"

    @property
    def database(self) -> Path:
        return self.home / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        return self.home / "artifacts"

    def absolute(self) -> "Workspace":
        """The same places for a process that starts in another folder."""
        store = self.store if self.store is None or "://" in self.store else str(Path(self.store).absolute())
        return replace(self, home=self.home.absolute(), reports=self.reports.absolute(), store=store)

    def prepare(self) -> None:
        """Make both folders, and prove that they can be written before hours of work depend on it.

        Raises StorageError.
        """
        for folder, option in ((self.home, "--home"), (self.reports, "the working directory")):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder) as probe:
                    probe.write(b"\0")
            except OSError as error:
                text = f"{folder}: can't be written ({error.strerror}); make it writable, or choose another {option}"
                raise StorageError(text) from error
