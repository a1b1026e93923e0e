"""Records as MLflow shows them: an experiment a study, a parent run, a child a configuration, a grandchild a seed.

Nothing is kept here that the records don't hold: ``mirror`` adds what is missing and may be called at any time, as
often as one likes.
"""

import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from ablate.quantities import summary
from ablate.records import Record
from ablate.tracking import datasets, telling
from ablate.tracking.logged import LoggedModels
from ablate.tracking.numbers import flatten, series, system
from ablate.tracking.place import make_store, reaching, tracking_uri
from ablate.tracking.telling import KIND, NOTE, Shown, Subject
from ablate.tracking.views import links, views
from ablate.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.entities import Run
    from PIL.Image import Image

IDENTITY = "ablate.id"  # what a run mirrors: "study", a configuration's id, or a record's name
SEEDS = "ablate.seeds"  # on a configuration's run: the seeds whose records it shows
PICTURED = "ablate.pictured"  # on the parent: the front's picture is there
PAGE = 500  # runs a page: tens of megabytes
WIDTH = 690  # pixels of the front's picture in a description
METRICS, PARAMS = 800, 100  # MLflow takes at most 1,000 entries a call, and 100 parameters among them
Load = Callable[[Iterable[str]], Iterable[Record]]


class _There(NamedTuple):
    """What MLflow has of a study: the ids of its runs by what they mirror, the seeds that each one shows, and its
    configurations as tables show them."""

    runs: dict[str, str]
    seeds: dict[str, str]
    shown: dict[str, Shown]


class Tracker:
    """MLflow's store for one study, as it was when this was made: one process at a time writes to it.

    Raises StorageError, here and in every method, where it can't be reached.
    """

    def __init__(self, subject: Subject, workspace: Workspace) -> None:
        from mlflow.tracking import MlflowClient

        self._subject = subject
        self._uri = tracking_uri(workspace)
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # MLflow would try a server that is away for minutes; whoever asks here comes again by itself.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        local = self._uri.startswith("sqlite:")
        make_store(self._uri)
        with self._reaching():
            self._client: MlflowClient = MlflowClient(tracking_uri=self._uri)
            experiment = self._client.get_experiment_by_name(subject.study)
            location = (workspace.artifacts / subject.study).resolve().as_uri() if local else None
            self._experiment = (
                experiment.experiment_id
                if experiment is not None
                else self._client.create_experiment(subject.study, artifact_location=location)
            )
            self._told: dict[str, str] = {} if experiment is None else dict(experiment.tags)
            # Without a kind MLflow guesses one, and shows pages for language models.
            self._tell("mlflow.experimentKind", "custom_model_development")
        self._models = LoggedModels(self._client, self._experiment)
        self._pictured = False

    def _tell(self, key: str, value: str) -> None:
        """A tag of the experiment, written where it is another one."""
        if self._told.get(key) != value:
            self._client.set_experiment_tag(self._experiment, key, value)
            self._told[key] = value

    @cached_property
    def _there(self) -> "_There":
        """Read when it is first asked for, since a large study has very many runs. Those of seeds that a killed process
        left half-written are deleted, to be made again."""
        there, half = _There({}, {}, {}), []
        with self._reaching():
            for run in self._stored():
                identity, tags = run.data.tags.get(IDENTITY, ""), run.data.tags
                if tags.get(KIND) == "seed" and run.info.status != "FINISHED":
                    half.append(run.info.run_id)
                    continue
                there.runs[identity] = run.info.run_id
                # one that was left open isn't all there
                there.seeds[identity] = tags.get(SEEDS, "") if run.info.status == "FINISHED" else ""
                if tags.get(KIND) == "configuration":
                    there.shown[identity] = self._shown(run.info.run_name, run.info.run_id, run.data.metrics)
                self._pictured |= PICTURED in tags
            for run_id in half:  # not before all pages were read: they would move up
                self._client.delete_run(run_id)
        return there

    def _shown(self, name: str, run: str, numbers: Mapping[str, float]) -> Shown:
        error, compute = self._subject.error, self._subject.compute
        return Shown(name, run, *(numbers.get(key, math.nan) for key in (error, f"{error}_std", compute)))

    def _reaching(self) -> AbstractContextManager[None]:
        return reaching(self._uri)

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

    def _log(
        self,
        run: str,
        metrics: Iterable[tuple[str, int, float]],
        params: Mapping[str, str],
        when: int,
        tags: Mapping[str, str],
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        numbers = [Metric(name, value, when, step) for name, step, value in metrics]
        texts = [Param(key, value) for key, value in params.items()]
        marks = [RunTag(key, value) for key, value in tags.items()]
        calls = max(math.ceil(len(numbers) / METRICS), math.ceil(len(texts) / PARAMS), 1)
        for i in range(calls):
            self._client.log_batch(
                run,
                metrics=numbers[i * METRICS : (i + 1) * METRICS],
                params=texts[i * PARAMS : (i + 1) * PARAMS],
                tags=marks if i == calls - 1 else (),
            )

    def mirror(self, planned: int, names: Sequence[str], load: Load, *, running: bool) -> None:
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
            started = None if "study" in self._there.runs else min(_time(r, "started") for r in load(names))
            tags = {KIND: "study", NOTE: self._subject.question}
            parent = self._open("study", self._subject.study, tags, started)
            for trial, own in cells.items():
                seeds = ", ".join(name.rpartition("-s")[2] for name in own)
                if self._there.seeds.get(trial) != seeds:
                    self._show(parent, list(load(own)), seeds)
            self._client.set_tag(parent, "ablate.finished", f"{len(names)} of {planned}")
            if running:
                self._client.update_run(parent, status="RUNNING")
            else:
                self._describe(parent)
                self._client.set_terminated(parent, status="FINISHED" if len(names) >= planned else "KILLED")

    def _describe(self, parent: str) -> None:
        """The study in words, on the experiment and on the parent run, and views of its runs."""
        picture, own = parent if self._pictured else None, links(self._experiment)
        shown = list(self._there.shown.values())
        long, short = (
            telling.study_note(self._subject, shown, self._experiment, own, picture, rows)
            for rows in (telling.ROWS, telling.FEW)
        )
        self._client.set_tag(parent, NOTE, long)
        self._tell(NOTE, short)
        for key, value in views(self._subject).items():
            self._tell(key, value)

    def _show(self, parent: str, records: Sequence[Record], seeds: str) -> None:
        """One configuration with all its seeds so far."""
        first = records[0]
        tags = {KIND: "configuration", **telling.tags(first)}
        started = min(_time(r, "started") for r in records)
        child = self._open(first.trial, telling.title(first), tags, started, parent)
        inputs = [self._models.of(record, parent) for record in records]
        self._evaluated(child, first, inputs)
        for record, model in zip(records, inputs, strict=True):
            if record.name not in self._there.runs:
                self._seed(record, child, model)
        self._configuration(child, records, seeds, inputs[0])
        self._client.set_terminated(child, end_time=max(_time(r, "finished") for r in records))
        self._there.seeds[first.trial] = seeds

    def _evaluated(self, run: str, record: Record, models: Sequence[str]) -> None:
        """What a run was made from: the data, and the models of its trainings."""
        from mlflow.entities import LoggedModelInput

        inputs = [LoggedModelInput(model) for model in dict.fromkeys(models)]
        self._client.log_inputs(run, datasets=[datasets.evaluated(record)], models=inputs)

    def _seed(self, record: Record, child: str, model: str) -> None:
        tags = {
            **telling.tags(record),
            KIND: "seed",
            "seed": str(record.seed),
            "training_key": record.training_key,
            **{f"from.{key}": str(value) for key, value in record.provenance.items()},
        }
        name, when = f"{telling.title(record)}, seed {record.seed}", _time(record, "finished")
        run = self._open(record.name, name, tags, _time(record, "started"), child)
        self._evaluated(run, record, [model])
        numbers = [(name, 0, value) for name, value in summary(record).items()]
        self._log(run, [*numbers, *series(record), *system(record)], dict(flatten(record.config)), when, {})
        self._client.set_terminated(run, end_time=when)

    def _configuration(self, run: str, records: Sequence[Record], seeds: str, model: str) -> None:
        """Mean over seeds, and their spread where there are at least two. The step counts the seeds: of equal steps and
        times MLflow would show the largest value as the last."""
        columns = [summary(record) for record in records]
        numbers: dict[str, float] = {}
        for name in columns[0]:
            values = np.array([c[name] for c in columns if name in c])
            numbers[name] = float(values.mean())
            if len(values) > 1 and not name.startswith("by_action/"):
                numbers[f"{name}_std"] = float(values.std(ddof=1))
        shown = self._shown(telling.title(records[0]), run, numbers)
        self._there.shown[records[0].trial] = shown
        note = telling.configuration_note(self._subject, records, shown, model)
        steps, when = [(name, len(records), value) for name, value in numbers.items()], _time(records[-1], "finished")
        self._log(run, steps, dict(flatten(records[0].config)), when, {SEEDS: seeds, NOTE: note})

    def attach(self, study_yaml: str, report: Path) -> None:
        """Put the study's text and its report on the parent run, and the front by itself."""
        parent = self._there.runs["study"]
        with self._reaching():
            self._client.log_text(parent, study_yaml, "study.yaml")
            self._client.log_artifacts(parent, str(report), "report")
            picture = report / "figures" / "pareto.png"
            for face in (picture, report / "tables" / "front.csv"):
                if face.exists():
                    self._client.log_artifact(parent, str(face), "front")
            if picture.exists():
                self._client.log_image(parent, _reduced(picture), telling.PICTURE)
                if not self._pictured:
                    self._pictured = True
                    self._client.set_tag(parent, PICTURED, "yes")
                    self._describe(parent)

    def lacks_model(self, key: str) -> bool:
        """Are the files of this training's model still to be sent?"""
        with self._reaching():
            return self._models.lacks(key)

    def attach_model(self, key: str, weights: Path) -> None:
        """Send the files of a training's model, its weights among them."""
        with self._reaching():
            self._models.send(key, weights, self._there.runs["study"])


def _reduced(picture: Path) -> "Image":
    """As wide as a description is shown: MLflow shows every picture in its own size, and cuts off the rest."""
    from PIL import Image

    with Image.open(picture) as opened:
        opened.thumbnail((WIDTH, WIDTH))
        return opened.copy()


def _time(record: Record, what: Literal["started", "finished"]) -> int:
    return int(datetime.fromisoformat(record.provenance[what]).timestamp() * 1000)
