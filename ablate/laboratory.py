"""One trial, from configuration to record: data, weights (stored or trained), evaluation, compute.

A composition root: the zoo, the data and the engine's tools meet here and in no tool itself.
"""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import ablate.data
import models
from ablate import store
from ablate.compute import measure
from ablate.errors import InputError
from ablate.evaluate import Evaluation, evaluate
from ablate.plan import Cell, Trial
from ablate.provenance import command, device_name, environment
from ablate.records import Record
from ablate.schema import Configuration
from ablate.sections import EvaluateConfig, TrainConfig
from ablate.seeds import torch_stream
from ablate.store import Weights
from ablate.strip import strip
from ablate.terminal import Reporter
from ablate.train import fit
from ablate.workspace import Workspace
from models.weights import metadata

if TYPE_CHECKING:
    from ablate.data.windows import Splits, Windows
    from models.contract import Lifter

# How an epoch is judged during training: one pass a window, so that judging costs little beside training.
VALIDATION = EvaluateConfig(hypotheses=1, steps=1, flip=False, batch=32)


class Laboratory:
    """Runs the trials of one study; keeps what several of them share (data, weights, counters) in memory."""

    def __init__(self, study: str, workspace: Workspace, reporter: Reporter) -> None:
        self._study = study
        self._workspace = workspace
        self._reporter = reporter
        self._splits: dict[tuple[Any, ...], Splits] = {}
        self._weights: tuple[str, Weights] | None = None  # only the last: cells of one training follow each other

    def splits(self, configuration: Configuration) -> "Splits":
        """The data of this configuration. Raises DataError."""
        key = (configuration.data, configuration.model.frames)
        if key not in self._splits:
            self._splits[key] = ablate.data.load(configuration.data, configuration.model.frames)
        return self._splits[key]

    def weights(self, cell: Cell, seed: int) -> Weights:
        """The weights this cell is evaluated from: kept, stored, or trained now. Raises TrainingDiverged."""
        key = cell.training_key(seed)
        if self._weights is None or self._weights[0] != key:
            path = self._workspace.weights(key)
            weights = store.load(path)
            if weights is None:
                weights = self._train(cell, seed)
                store.save(path, weights)
            digest = self.splits(cell.configuration).digest
            if weights.metadata["data"] != digest:
                raise InputError(
                    f"{path}: trained on other data (their digest was {weights.metadata['data'][:12]}, now it is "
                    f"{digest[:12]}); restore the data, or run with another --home"
                )
            self._weights = (key, weights)
        return self._weights[1]

    def _train(self, cell: Cell, seed: int) -> Weights:
        configuration = cell.training_configuration
        splits = self.splits(configuration)
        lifter = models.build(configuration.model, seed=torch_stream(seed, "weights").initial_seed())

        def validate(candidate: "Lifter") -> float:
            found = self._evaluate(candidate, splits.validation, VALIDATION, configuration, seed, "validation")
            return next(m.value for m in found.metrics if m.metric == "mpjpe" and not m.action)

        mode = configuration.train.mode
        self._reporter.training(f"{configuration.name} ({mode}), seed {seed}", configuration.train.epochs)
        fitted = fit(
            lifter,
            splits.train,
            config=configuration.train,
            seed=seed,
            validate=validate,
            on_epoch=self._reporter.epoch,
        )
        history = {"curves": fitted.curves, "best_epoch": fitted.best_epoch, "seconds": fitted.seconds}
        said = {"fit": json.dumps(history), "data": splits.digest, "model": configuration.name}
        return Weights(fitted.state, {**metadata(configuration.model), **said})

    def _evaluate(
        self,
        lifter: "Lifter",
        windows: "Windows",
        how: EvaluateConfig,
        configuration: Configuration,
        seed: int,
        split: str,
    ) -> Evaluation:
        device = compute_device(configuration.train)
        return evaluate(lifter, windows, how, seed=seed, split=split, input=configuration.data.input, device=device)

    def run(self, trial: Trial) -> Record:
        """Do everything that this trial asks for. Raises TrainingDiverged, DataError, StorageError."""
        started = datetime.now(UTC)
        configuration = trial.cell.configuration
        weights = self.weights(trial.cell, trial.seed)
        splits = self.splits(configuration)
        lifter = models.build(configuration.model)
        lifter.load_state_dict(dict(weights.state))
        clock = time.perf_counter()
        found = {
            split: self._evaluate(lifter, windows, configuration.evaluate, configuration, trial.seed, split)
            for split, windows in (("validation", splits.validation), ("test", splits.test))
        }
        seconds = time.perf_counter() - clock
        compute = self._measure(lifter, configuration)
        fitted = weights.fit
        provenance = {
            **environment(),
            "device": device_name(compute_device(configuration.train)),
            "dtype": configuration.train.precision,
            "started": started.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds_train": fitted["seconds"],
            "seconds_evaluate": seconds,
            "command": command(),
        }
        return Record(
            study=self._study,
            trial=trial.cell.id,
            seed=trial.seed,
            group=trial.cell.group,
            label=trial.cell.label,
            params=dict(trial.cell.params),
            config=trial.cell.identity,
            training_key=trial.cell.training_key(trial.seed),
            metrics=tuple(m for evaluation in found.values() for m in evaluation.metrics),
            compute=compute,
            curves=fitted["curves"],
            best_epoch=fitted["best_epoch"],
            data={"digest": splits.digest, **splits.info},
            provenance=provenance,
            windows={split: _labels(evaluation) for split, evaluation in found.items()},
            arrays={**_arrays(found), **strip(lifter, splits.test)},
        )

    def _measure(self, lifter: "Lifter", configuration: Configuration) -> dict[str, float | None]:
        train, how = configuration.train, configuration.evaluate
        cost = models.cost(
            configuration.model,
            hypotheses=how.hypotheses,
            steps=how.steps,
            flip=how.flip,
            elastic=train.elastic if train.mode == "elastic" else None,
        )

        def build_on_meta() -> "Lifter":
            with torch.device("meta"):
                return models.build(configuration.model)

        device = compute_device(train)
        return measure(lifter, cost, how, configuration.measure, build_on_meta=build_on_meta, device=device)


def compute_device(train: TrainConfig) -> torch.device:
    """Where trials are evaluated: the GPU when the study may use one and there is one."""
    return torch.device("cuda" if train.accelerator != "cpu" and torch.cuda.is_available() else "cpu")


def _labels(evaluation: Evaluation) -> dict[str, list[str]]:
    return {"recordings": [view.label for view in evaluation.windows.views]}


def _arrays(found: Mapping[str, Evaluation]) -> dict[str, np.ndarray]:
    """The errors of single windows, and which window of which recording each is."""
    arrays: dict[str, np.ndarray] = {}
    for split, evaluation in found.items():
        arrays[f"{split}/mpjpe_mm"] = evaluation.window_mpjpe_mm
        arrays[f"{split}/frames"] = evaluation.frames
        arrays[f"{split}/recording"] = evaluation.windows.view_W.astype(np.int32)
        arrays[f"{split}/start"] = evaluation.windows.start_W.astype(np.int32)
    return arrays
