"""A record's numbers as MLflow keeps them: texts by dotted path, series over steps, and what a machine spent."""

from collections.abc import Iterator, Mapping
from typing import Any

from ablate.quantities import UNITS
from ablate.records import Record

# What a record knows of the machine's work, by where it stands in it, as MLflow's page "System metrics" names it.
SYSTEM = {
    "seconds_train": "system/train_seconds",
    "seconds_evaluate": "system/evaluate_seconds",
    "cpu_percent_evaluate": "system/evaluate_cpu_utilization_percentage",
    "memory_mb_evaluate": "system/evaluate_peak_memory_megabytes",
}


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


def system(record: Record) -> Iterator[tuple[str, int, float]]:
    """What the work of a record took, as (name, 0, value); what an older record doesn't know is left out."""
    for key, name in SYSTEM.items():
        if key in record.provenance:
            yield name, 0, float(record.provenance[key])
