"""The data of a record as MLflow's dataset: its name, its digest, and what is in it."""

import json
from typing import TYPE_CHECKING

from ablate.records import Record

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

DIGITS = 12  # of the digest: as many as everywhere else; the whole one is in the profile, for which MLflow has room


def evaluated(record: Record) -> "DatasetInput":
    """The dataset that a record was trained and evaluated on."""
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

    data, given = record.data, record.config["data"]
    dataset = Dataset(
        name=" ".join(str(part) for part in (data["name"], given.get("set")) if part),
        digest=str(data["digest"])[:DIGITS],
        source_type="ablate",
        source=json.dumps(given, sort_keys=True),
        profile=json.dumps(data, sort_keys=True),
    )
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, "training and evaluation")])
