"""A lifter's file evaluated by itself, outside any study: the same data, windows, noise and counting as in one."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import ablate.data
import models
from ablate.costing import known_compute
from ablate.errors import DataError, InputError
from ablate.evaluate import ORACLE_BATCH, evaluate
from ablate.laboratory import compute_device
from ablate.loading import complete
from ablate.provenance import command, device_name, environment
from ablate.quantities import SHARED_BY
from ablate.schema import Configuration, put
from ablate.sections import TrainConfig
from ablate.weights.fitting import misfits

if TYPE_CHECKING:
    from ablate.data.windows import Windows
    from models.contract import Lifter

COMPUTE = ("params_m", "pass_gmacs", "inference_gmacs")  # what training costs, a file of weights doesn't know


def assess(
    path: Path,
    options: Mapping[str, Any],
    *,
    split: str,
    seed: int,
    accelerator: str,
    home: Path,
    settings: Sequence[str] = (),
    bar: "ablate.data.Bar | None" = None,
) -> dict[str, Any]:
    """Errors of the lifter in ``path`` on a split, with the compute of a window and everything needed to read them.

    ``options`` are values by the dotted path of a study's setting (``data.name``), None for those not given;
    ``settings`` are such paths as texts, and may also change what of the model its weights leave open, as pruning.
    Raises InputError for a file that is no lifter's or doesn't fit the settings, StudyError for settings that are
    wrong, DataError for data that are missing or too short, StorageError where the cache of data in ``home`` can't be
    written, NotFinite.
    """
    lifter = _loaded(path)
    device = _device(accelerator)
    raw: dict[str, Any] = {"data": {}, "evaluate": {}}
    raw["model"] = {"name": models.host_of(lifter.config), **asdict(lifter.config)}
    given = {option: value for option, value in options.items() if value is not None}
    for option, value in given.items():
        raw = put(raw, option, value)
    configuration = complete(raw, settings, lambda dotted: given_by(dotted) if dotted in given else str(path))
    lifter = _as_set(path, lifter, configuration)
    splits = ablate.data.load(configuration.data, configuration.model.frames, home, needed=(split,), bar=bar)
    windows: Windows = getattr(splits, split)
    _long_enough(windows, configuration, split)
    started, clock = datetime.now(UTC), time.perf_counter()
    how, kind, shares = configuration.evaluate, configuration.data.input, configuration.data.name == SHARED_BY
    found = evaluate(lifter, windows, how, seed=seed, split=split, input=kind, device=device, shares=shares)
    told = configuration.resolved()
    compute = known_compute(configuration)
    return {
        "file": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "host": configuration.host,
        "seed": seed,
        "config": {section: told[section] for section in ("model", "data", "evaluate")},
        "metrics": [metric._asdict() for metric in found.metrics],
        "frames": int(found.frames.sum()),
        "compute": {name: compute[name] for name in COMPUTE},
        "data": {"digest": splits.digest, **splits.info},
        "provenance": {
            **environment(),
            "device": device_name(device),
            "dtype": "float32" if how.precision == "32-true" else how.precision,
            "started": started.isoformat(timespec="seconds"),
            "seconds_evaluate": time.perf_counter() - clock,
            "p_best_batch": ORACLE_BATCH,
            "command": command(),
        },
    }


def given_by(setting: str) -> str:
    """The command's option for a setting: ``--data`` for ``data.name``, ``--steps`` for ``evaluate.steps``."""
    return "--data" if setting == "data.name" else f"--{setting.rpartition('.')[2]}"


def _loaded(path: Path) -> "Lifter":
    try:
        return models.load(path)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error}); name a file of weights") from error
    except (ValueError, KeyError, TypeError) as error:
        text = "a file of `ablate import-checkpoint`, or the stored weights of a study, is what is evaluated"
        raise InputError(f"{path}: is no lifter's file ({error}); {text}") from error


def _device(accelerator: str) -> torch.device:
    """Raises InputError where a GPU is asked for and there is none."""
    wanted: Any = accelerator
    device = compute_device(TrainConfig(accelerator=wanted))
    if accelerator == "gpu" and device.type != "cuda":
        raise InputError("--accelerator gpu: there is none that torch can use; take cpu, or auto")
    return device


def _as_set(path: Path, lifter: "Lifter", configuration: Configuration) -> "Lifter":
    """``lifter`` as the settings would have it. Raises InputError where its weights are those of another."""
    if configuration.model == lifter.config:
        return lifter
    state = lifter.state_dict()
    if problems := misfits(configuration.model, state):
        raise InputError("\n".join([f"{path}: with these settings of the model its weights don't fit", *problems]))
    other = models.build(configuration.model)
    other.load_state_dict(state)
    return other


def _long_enough(windows: "Windows", configuration: Configuration, split: str) -> None:
    longest = max(len(view) for view in windows.views)
    if longest < windows.frames:
        raise DataError(
            f"{configuration.data.name}: the longest recording of {split} has {longest} frames, and a window of "
            f"this lifter {windows.frames}; take longer ones (of synthetic by data.clip_seconds), or another lifter"
        )
