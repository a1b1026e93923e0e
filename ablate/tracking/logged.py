"""Trainings as MLflow's logged models: one for the weights of each, whatever number of configurations they serve.

Runs name the model that they were evaluated from as their input. A model is pending until its files are there, so what
a killed process left half-sent is sent again.
"""

import json
import math
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ablate import __version__
from ablate.errors import StorageError
from ablate.records import Record
from ablate.tracking.telling import HOW, NOTE, model_note

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.tracking import MlflowClient

TRAINING = "ablate.training"  # on a logged model: the key of the weights
CODE = Path(__file__).with_name("lifting.py")
REFUSED = str.maketrans("/:.%\"'", "------")  # in a logged model's name

# A person standing upright, in normalised screen coordinates (y down), by Human3.6M's joints.
_STANDING_J2 = 0.3 * np.array(
    [
        *([0.0, 0.0], [-0.2, 0.0], [-0.2, 0.7], [-0.2, 1.4], [0.2, 0.0], [0.2, 0.7], [0.2, 1.4]),
        *([0.0, -0.4], [0.0, -0.8], [0.0, -1.0], [0.0, -1.2]),
        *([0.25, -0.75], [0.3, -0.3], [0.3, 0.1], [-0.25, -0.75], [-0.3, -0.3], [-0.3, 0.1]),
    ]
)


class LoggedModels:
    """Those of one experiment. Every method raises what MLflow's client raises."""

    def __init__(self, client: "MlflowClient", experiment: str) -> None:
        self._client = client
        self._experiment = experiment

    @cached_property
    def _known(self) -> "dict[str, LoggedModel]":
        """By training key, read when the first is asked for."""
        return {key: model for model in self._stored() if (key := model.tags.get(TRAINING))}

    def _stored(self) -> "Iterator[LoggedModel]":
        token = None
        while True:
            page = self._client.search_logged_models([self._experiment], page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def of(self, record: Record, run: str) -> str:
        """The id of the model that this record was evaluated from, made when it is missing; ``run`` shows it as its
        own."""
        key = record.training_key
        if key not in self._known:
            name = f"{record.config['name']} seed {record.seed} {key}".translate(REFUSED)
            self._known[key] = self._client.create_logged_model(
                self._experiment,
                name=name,
                source_run_id=run,
                tags={TRAINING: key, "seed": str(record.seed), "model": str(record.config["name"])},
                model_type="lifter",
            )
        return str(self._known[key].model_id)

    def lacks(self, key: str) -> bool:
        """Is there a model of this training whose files aren't there yet?"""
        return key in self._known and str(self._known[key].status) != "READY"

    def send(self, key: str, weights: Path, run: str) -> None:
        """Put the files of a training's model where MLflow keeps them: its weights, the code that lifts with them, the
        shapes of what goes in and comes out, and an example; and say what it is."""
        model = self._known[key]
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "model"
            _save(made, weights, model, run)
            self._client.log_model_artifacts(model.model_id, str(made))
        note = model_note(model.tags["model"], model.tags["seed"], _frames(weights), model.model_id)
        self._client.set_logged_model_tags(model.model_id, {NOTE: note})
        self._known[key] = self._client.finalize_logged_model(model.model_id, "READY")


def _save(folder: Path, weights: Path, model: "LoggedModel", run: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of classes of its own while it is imported
        from mlflow.models import Model, ModelSignature
        from mlflow.pyfunc import save_model
        from mlflow.types import Schema, TensorSpec

    frames = _frames(weights)
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, frames, 17, 2))]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, frames, 17, 3))]),
    )
    save_model(
        folder,
        python_model=str(CODE),
        artifacts={"weights": str(weights)},
        model_config=dict(HOW),
        signature=signature,
        input_example=example(frames),
        pip_requirements=[f"pose-ablate=={__version__}"],
        mlflow_model=Model(
            artifact_path=model.artifact_location, model_uuid=model.model_id, model_id=model.model_id, run_id=run
        ),
    )


def _frames(weights: Path) -> int:
    """Of a window, as the file of weights says. Raises StorageError where it says of no lifter."""
    from safetensors import safe_open

    with safe_open(weights, framework="np") as file:
        said: Mapping[str, str] = file.metadata() or {}
    if "lifter" not in said:
        raise StorageError(f"{weights}: says of no lifter, so no model can be made of it; delete it and run again")
    return int(json.loads(said["lifter"])["config"]["frames"])


def example(frames: int) -> np.ndarray:
    """One window of keypoints to try a model with, float32 (1, F, 17, 2): a person who sways."""
    sway_F = 0.05 * np.sin(2 * math.pi * np.arange(frames) / max(frames, 2))
    keypoints_FJ2 = np.repeat(_STANDING_J2[None], frames, axis=0)
    keypoints_FJ2[:, :, 0] += sway_F[:, None]
    return keypoints_FJ2[None].astype(np.float32)
