"""One unit of work, from configuration to weights or records: data, training, evaluation, compute.

A composition root: the zoo, the data and the engine's tools meet here and in no tool itself.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import ablate.data
import models
from ablate.compute import measure
from ablate.costing import cost_of
from ablate.errors import StorageError
from ablate.evaluate import ORACLE_BATCH, Evaluation, evaluate_counts, sample
from ablate.plan import Trial
from ablate.provenance import Spent, command, device_name, environment
from ablate.quantities import SHARED_BY
from ablate.records import Record
from ablate.schema import Configuration
from ablate.sections import EvaluateConfig, TrainConfig
from ablate.seeds import torch_stream
from ablate.store import Store
from ablate.strip import shown, strip
from ablate.trained import Checkpoint, Weights
from ablate.work import Job, Training
from models.weights import metadata

if TYPE_CHECKING:
    from ablate.data.windows import Splits, Windows
    from ablate.train import Epoch
    from models.contract import Lifter

Tell = Callable[[int, int, str], None]  # epochs done, epochs in all, what is known of the last one

Watch = Callable[[int, float], None]  # epochs done, the lowest validation error so far in mm; what it raises, ends it

# How an epoch is judged during training: one pass a window, so that judging costs little beside training.
VALIDATION = EvaluateConfig(hypotheses=1, steps=1, flip=False, batch=32)


class Laboratory:
    """Does the units of one study's work; keeps what several of them share (data, weights) in memory."""

    def __init__(
        self, study: str, store: Store, home: Path, workers: int = 1, bar: "ablate.data.Bar | None" = None
    ) -> None:
        """``home`` is the project's folder of state, and ``bar`` shows its cache of data being made. ``workers`` share
        this machine, which the records say: a latency beside others is not one alone."""
        self._study = study
        self._home = home
        self._workers = workers
        self._bar = bar
        self.store = store
        self._splits: dict[tuple[Any, ...], Splits] = {}
        self._weights: tuple[str, Weights] | None = None  # only the last: jobs of one training follow each other

    def splits(self, configuration: Configuration) -> "Splits":
        """The data of this configuration. Raises DataError, StorageError."""
        key = (configuration.data, configuration.model.frames)
        if key not in self._splits:
            self._splits[key] = ablate.data.load(*key, self._home, bar=self._bar)
        return self._splits[key]

    def weights(self, training: Training) -> Weights:
        """The stored weights of a training. Raises StorageError where they are missing, damaged, or of other data."""
        if self._weights is None or self._weights[0] != training.key:
            weights = self.store.load(training.key)
            if weights is None:
                raise StorageError(f"{self.store.place(training.key)}: these weights are gone; run again to train them")
            digest = self.splits(training.cell.configuration).digest
            if weights.metadata["data"] != digest:
                raise StorageError(
                    f"{self.store.place(training.key)}: trained on other data (their digest was "
                    f"{weights.metadata['data'][:12]}, now it is {digest[:12]}); restore the data, or run with another "
                    "--home"
                )
            self._weights = (training.key, weights)
        return self._weights[1]

    def train(self, training: Training, tell: Tell, watch: Watch | None = None) -> None:
        """Make the weights of ``training`` and store them, going on from its checkpoint where one was left.

        ``watch`` sees each validated epoch, once its checkpoint is stored. Raises TrainingDiverged, DataError,
        StorageError, and what ``watch`` raises.
        """
        configuration = training.cell.training_configuration
        splits, key = self.splits(configuration), training.key
        lifter = models.build(configuration.model, seed=torch_stream(training.seed, "weights").initial_seed())

        def validate(candidate: "Lifter") -> float:
            found = self._evaluate(candidate, splits.validation, VALIDATION, [1], training, "validation")
            return next(m.value for m in found[0].metrics if m.metric == "mpjpe" and not m.action)

        errors_mm: list[float] = []

        def keep(checkpoint: Checkpoint) -> None:
            self.store.save_checkpoint(key, checkpoint)
            errors_mm[:] = checkpoint.curves.get("validation_mpjpe_mm", [])  # those before an interruption among them

        def ended(epoch: "Epoch") -> None:
            tell(epoch.number, epoch.epochs, _errors(epoch))
            if watch is not None and epoch.validation_mpjpe_mm is not None:
                watch(epoch.number, min(errors_mm))

        # Here, since the trainer's Fabric loads torch's compiler, which takes as long as torch does.
        from ablate.train import fit

        tell(0, configuration.train.epochs, "")
        fitted = fit(
            lifter,
            splits.train,
            config=configuration.train,
            seed=training.seed,
            validate=validate,
            on_epoch=ended,
            checkpoint=self.store.load_checkpoint(key),
            on_checkpoint=keep,
        )
        history = {"curves": fitted.curves, "best_epoch": fitted.best_epoch, "seconds": fitted.seconds}
        said = {"fit": json.dumps(history), "data": splits.digest, "model": configuration.name}
        self.store.save(key, Weights(fitted.state, {**metadata(configuration.model), **said}))
        self.store.drop_checkpoint(key)

    def _evaluate(
        self,
        lifter: "Lifter",
        windows: "Windows",
        how: EvaluateConfig,
        counts: Sequence[int],
        training: Training,
        split: str,
    ) -> list[Evaluation]:
        configuration = training.cell.configuration
        device = compute_device(configuration.train)
        data = configuration.data
        return evaluate_counts(
            lifter,
            windows,
            how,
            counts,
            seed=training.seed,
            split=split,
            input=data.input,
            device=device,
            shares=data.name == SHARED_BY,
        )

    def evaluate(self, job: Job, halvings: int = 0) -> Iterator[Record]:
        """Do everything that the job's trials ask for; ``halvings`` halves the windows that go through at once.

        Raises NotFinite, DataError, StorageError.
        """
        started = datetime.now(UTC)
        first = job.trials[0].cell.configuration
        weights, splits = self.weights(job.training), self.splits(first)
        lifter = models.build(first.model)
        lifter.load_state_dict(dict(weights.state))
        how = replace(first.evaluate, batch=max(1, first.evaluate.batch >> halvings))
        counts = [trial.cell.configuration.evaluate.hypotheses for trial in job.trials]
        spent = Spent()
        found = {
            split: self._evaluate(lifter, windows, how, counts, job.training, split)
            for split, windows in (("validation", splits.validation), ("test", splits.test))
        }
        shared = {
            **environment(),
            "device": device_name(compute_device(first.train)),
            "dtype": first.train.precision,
            "started": started.isoformat(timespec="seconds"),
            "seconds_train": weights.fit["seconds"],
            **spent.told("evaluate"),
            "hypotheses_run": max(counts),
            "p_best_batch": ORACLE_BATCH,
            "command": command(),
            "workers": self._workers,
        }
        frames = strip(lifter, splits.test)
        samples = self._sample(lifter, splits.test, how, counts, job.training)
        for i, trial in enumerate(job.trials):
            own = {split: evaluations[i] for split, evaluations in found.items()}
            compute = self._measure(lifter, trial.cell.configuration)
            provenance = {**shared, "finished": datetime.now(UTC).isoformat(timespec="seconds")}
            yield self._record(trial, weights, splits, own, compute, provenance, {**frames, **samples[i]})

    def _record(
        self,
        trial: Trial,
        weights: Weights,
        splits: "Splits",
        found: Mapping[str, Evaluation],
        compute: Mapping[str, float | None],
        provenance: Mapping[str, Any],
        frames: Mapping[str, np.ndarray],
    ) -> Record:
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
            curves=weights.fit["curves"],
            best_epoch=weights.fit["best_epoch"],
            data={"digest": splits.digest, **splits.info},
            provenance=provenance,
            windows={split: _labels(evaluation) for split, evaluation in found.items()},
            arrays={**_arrays(found), **frames},
        )

    def _sample(
        self, lifter: "Lifter", windows: "Windows", how: EvaluateConfig, counts: Sequence[int], training: Training
    ) -> list[dict[str, np.ndarray]]:
        """What is kept of one window's poses, for each of ``counts``; nothing where no window is whole."""
        window = shown(windows)
        if window is None:
            return [{} for _ in counts]
        device = compute_device(training.cell.configuration.train)
        return sample(lifter, windows, window, how, counts, seed=training.seed, device=device)

    def _measure(self, lifter: "Lifter", configuration: Configuration) -> dict[str, float | None]:
        train, how = configuration.train, configuration.evaluate

        def build_on_meta() -> "Lifter":
            with torch.device("meta"):
                return models.build(configuration.model)

        device = compute_device(train)
        return measure(
            lifter, cost_of(configuration), how, configuration.measure, build_on_meta=build_on_meta, device=device
        )


def compute_device(train: TrainConfig) -> torch.device:
    """Where trials are evaluated: the GPU when the study may use one and there is one."""
    return torch.device("cuda" if train.accelerator != "cpu" and torch.cuda.is_available() else "cpu")


def _labels(evaluation: Evaluation) -> dict[str, list[str]]:
    return {"recordings": [view.label for view in evaluation.windows.views]}


def _arrays(found: Mapping[str, Evaluation]) -> dict[str, np.ndarray]:
    """The errors of single windows and joints, and which window of which recording each is."""
    arrays: dict[str, np.ndarray] = {}
    for split, evaluation in found.items():
        arrays[f"{split}/mpjpe_mm"] = evaluation.window_mpjpe_mm
        arrays[f"{split}/frames"] = evaluation.frames
        arrays[f"{split}/joint_mm"] = evaluation.joint_mm
        arrays[f"{split}/recording"] = evaluation.windows.view_W.astype(np.int32)
        arrays[f"{split}/start"] = evaluation.windows.start_W.astype(np.int32)
    return arrays


def _errors(epoch: "Epoch") -> str:
    validation = "" if epoch.validation_mpjpe_mm is None else f", validation {epoch.validation_mpjpe_mm:.1f} mm"
    return f"loss {epoch.train_loss_mm:.1f} mm{validation}"
