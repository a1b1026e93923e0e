"""Records as MLflow shows them: an experiment a study, a parent run, a child a configuration, a grandchild a seed.

The only file that imports mlflow. Nothing is kept here that the records don't hold: ``mirror`` adds what is missing
and may be called at any time, as often as one likes.
"""

import hashlib
import logging
import os
import platform
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from ablate.errors import StorageError
from ablate.quantities import UNITS, summary
from ablate.records import Record
from ablate.workspace import Workspace
from ablate.writing import alone

if TYPE_CHECKING:
    from mlflow.entities import Run

IDENTITY = "ablate.id"  # what a run mirrors: "study", a configuration's id, or a record's name
SEEDS = "ablate.seeds"  # on a configuration's run: the seeds whose records it shows
PAGE = 500  # runs a page: tens of megabytes
BATCH = 900  # MLflow takes at most 1,000 metrics and 100 parameters or tags a call
Load = Callable[[Iterable[str]], Iterable[Record]]


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
    with _reaching(uri):
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


@contextmanager
def _reaching(uri: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise StorageError(f"{uri}: MLflow can't open it ({reason}); see MLFLOW_TRACKING_URI") from error


def flatten(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted paths and texts of a nested mapping, as MLflow's params want them."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from flatten(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(inner)


def series(record: Record) -> Iterator[tuple[str, int, float]]:
    """Curves as (name, step, value): over epochs from the training, over denoising steps from the evaluation."""
    validated = record.curves.get("validation_epoch", [])
    for name, values in record.curves.items():
        if name == "validation_epoch":
            continue  # it is the others' axis
        epochs = validated if name.startswith("validation_") else range(1, len(values) + 1)
        yield from ((f"epoch/{name}", int(epoch), value) for epoch, value in zip(epochs, values, strict=True))
    for m in record.measured:
        if not m.action and m.aggregation == "mean":
            yield f"denoising_step/{m.split}_{m.metric}{UNITS[m.unit]}", m.step, m.value


class _There(NamedTuple):
    """What MLflow has of a study: the ids of its runs by what they mirror, and the seeds that each one shows."""

    runs: dict[str, str]
    seeds: dict[str, str]


class Tracker:
    """MLflow's store for one study, as it was when this was made: one process at a time writes to it.

    Raises StorageError, here and in every method, where it can't be reached.
    """

    def __init__(self, study: str, workspace: Workspace) -> None:
        from mlflow.tracking import MlflowClient

        self._study = study
        self._uri = tracking_uri(workspace)
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # MLflow would try a server that is away for minutes; whoever asks here comes again by itself.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        local = self._uri.startswith("sqlite:")
        make_store(self._uri)
        with self._reaching():
            self._client: MlflowClient = MlflowClient(tracking_uri=self._uri)
            experiment = self._client.get_experiment_by_name(study)
            location = (workspace.artifacts / study).resolve().as_uri() if local else None
            self._experiment = (
                experiment.experiment_id
                if experiment is not None
                else self._client.create_experiment(study, artifact_location=location)
            )
            # Without a kind MLflow guesses one, and shows pages for language models.
            self._client.set_experiment_tag(self._experiment, "mlflow.experimentKind", "custom_model_development")

    @cached_property
    def _there(self) -> "_There":
        """Read when it is first asked for, since a large study has very many runs. Those of seeds that a killed process
        left half-written are deleted, to be made again."""
        there, half = _There({}, {}), []
        with self._reaching():
            for run in self._stored():
                identity = run.data.tags.get(IDENTITY, "")
                if run.data.tags.get("ablate.kind") == "seed" and run.info.status != "FINISHED":
                    half.append(run.info.run_id)
                    continue
                there.runs[identity] = run.info.run_id
                there.seeds[identity] = run.data.tags.get(SEEDS, "")
            for run_id in half:  # not before all pages were read: they would move up
                self._client.delete_run(run_id)
        return there

    def _reaching(self) -> AbstractContextManager[None]:
        return _reaching(self._uri)

    def _stored(self) -> Iterator["Run"]:
        """Every run, a page at a time: each brings all its numbers along."""
        token = None
        while True:
            page = self._client.search_runs([self._experiment], max_results=PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _open(
        self, identity: str, name: str, tags: Mapping[str, str], started: int | None, parent: str | None = None
    ) -> str:
        """The run that mirrors ``identity``, made when it is missing."""
        runs = self._there.runs
        if identity not in runs:
            lineage = {"mlflow.parentRunId": parent} if parent else {}
            run = self._client.create_run(
                self._experiment, start_time=started, run_name=name, tags={IDENTITY: identity, **lineage, **tags}
            )
            runs[identity] = run.info.run_id
        return runs[identity]

    def _log(self, run: str, metrics: Iterable[tuple[str, int, float]], params: Mapping[str, str], when: int) -> None:
        from mlflow.entities import Metric, Param

        entries = [Metric(name, value, when, step) for name, step, value in metrics]
        for start in range(0, len(entries), BATCH):
            self._client.log_batch(run, metrics=entries[start : start + BATCH])
        texts = [Param(key, value) for key, value in params.items()]
        for start in range(0, len(texts), 100):
            self._client.log_batch(run, params=texts[start : start + 100])

    def mirror(self, question: str, planned: int, names: Sequence[str], load: Load, *, running: bool) -> None:
        """Show these records: what is new becomes runs, and their configurations' means are brought up to date.

        ``load`` reads records by name. ``running`` says whether more will come; a study that stopped short of its plan
        is shown as killed.
        """
        if not names:
            return
        cells: dict[str, list[str]] = {}
        for name in names:
            cells.setdefault(name.rpartition("-s")[0], []).append(name)
        with self._reaching():
            tags = {"ablate.kind": "study", "mlflow.note.content": question}
            started = None if "study" in self._there.runs else min(_time(r, "started") for r in load(names))
            parent = self._open("study", self._study, tags, started)
            for trial, own in cells.items():
                seeds = ", ".join(name.rpartition("-s")[2] for name in own)
                if self._there.seeds.get(trial) != seeds:
                    self._show(parent, list(load(own)), seeds)
            self._client.set_tag(parent, "ablate.finished", f"{len(names)} of {planned}")
            if running:
                self._client.update_run(parent, status="RUNNING")
            else:
                self._client.set_terminated(parent, status="FINISHED" if len(names) >= planned else "KILLED")

    def _show(self, parent: str, records: Sequence[Record], seeds: str) -> None:
        """One configuration with all its seeds so far."""
        first = records[0]
        tags = {"ablate.kind": "configuration", **_tags(first)}
        child = self._open(first.trial, first.label, tags, min(_time(r, "started") for r in records), parent)
        for record in records:
            if record.name not in self._there.runs:
                self._seed(record, child)
        self._configuration(child, records)
        self._client.set_tag(child, SEEDS, seeds)
        self._client.set_terminated(child, end_time=max(_time(r, "finished") for r in records))
        self._there.seeds[first.trial] = seeds

    def _seed(self, record: Record, child: str) -> None:
        tags = {
            "ablate.kind": "seed",
            "seed": str(record.seed),
            "training_key": record.training_key,
            **_tags(record),
            **{f"from.{key}": str(value) for key, value in record.provenance.items()},
        }
        run = self._open(record.name, f"{record.label} seed {record.seed}", tags, _time(record, "started"), child)
        numbers = [(name, 0, value) for name, value in summary(record).items()]
        self._log(run, [*numbers, *series(record)], dict(flatten(record.config)), _time(record, "finished"))
        self._client.set_terminated(run, end_time=_time(record, "finished"))

    def _configuration(self, run: str, seeds: Sequence[Record]) -> None:
        """Mean over seeds, and their spread where there are at least two. The step counts the seeds: of equal steps and
        times MLflow would show the largest value as the last."""
        columns = [summary(record) for record in seeds]
        numbers: list[tuple[str, int, float]] = []
        for name in columns[0]:
            values = np.array([c[name] for c in columns if name in c])
            numbers.append((name, len(seeds), float(values.mean())))
            if len(values) > 1 and not name.startswith("by_action/"):
                numbers.append((f"{name}_std", len(seeds), float(values.std(ddof=1))))
        self._log(run, numbers, dict(flatten(seeds[0].config)), max(_time(r, "finished") for r in seeds))

    def attach(self, study_yaml: str, report: Path) -> None:
        """Put the study's text and its report on the parent run, and the front by itself."""
        parent = self._there.runs["study"]
        with self._reaching():
            self._client.log_text(parent, study_yaml, "study.yaml")
            self._client.log_artifacts(parent, str(report), "report")
            for face in (report / "figures" / "pareto.png", report / "tables" / "front.csv"):
                if face.exists():
                    self._client.log_artifact(parent, str(face), "front")

    def attached_weights(self) -> dict[str, int | None]:
        """The bytes of the weights that lie on the parent run, by training key; None where its store doesn't say."""
        with self._reaching():
            there = self._client.list_artifacts(self._there.runs["study"], "weights")
        return {Path(item.path).stem: item.file_size for item in there}

    def attach_weights(self, file: Path) -> None:
        """Put one training's weights on the parent run."""
        with self._reaching():
            self._client.log_artifact(self._there.runs["study"], str(file), "weights")


def _tags(record: Record) -> dict[str, str]:
    swept = {path.removeprefix("model."): str(value) for path, value in record.params.items()}
    return {"model": str(record.config["name"]), "group": record.group, "configuration": record.trial, **swept}


def _time(record: Record, what: Literal["started", "finished"]) -> int:
    return int(datetime.fromisoformat(record.provenance[what]).timestamp() * 1000)
