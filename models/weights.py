"""Weights and config in one safetensors file: nothing in it can run code."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from os import PathLike
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from models import MODELS, build, host_of
from models.config import Host
from models.contract import Lifter
from models.pruning.config import MGPTP, SFT, TCEP, Pruning, Recovery

PARTS = {"tcep": TCEP, "sft": SFT, "mgptp": MGPTP, "recovery": Recovery}


def metadata(config: Host) -> dict[str, str]:
    """What a file must say beside the weights, so that ``load`` can build their lifter."""
    # one entry: the library writes several in any order
    return {"lifter": json.dumps({"host": host_of(config), "config": asdict(config)}, sort_keys=True)}


def serialised(lifter: Lifter) -> bytes:
    """The file's content; equal weights and configs give equal bytes."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in lifter.state_dict().items()}
    return to_bytes(state, metadata=metadata(lifter.config))


def load(path: str | PathLike[str]) -> Lifter:
    """The lifter that ``path`` holds, on the CPU.

    Raises OSError if the file can't be read, ValueError if it is no lifter's or its weights don't fit its config.
    """
    try:
        with safe_open(path, framework="pt") as file:
            said: Mapping[str, str] = file.metadata() or {}
            state: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from error
    if "lifter" not in said:
        raise ValueError(f"{path} holds weights, but not of a lifter: its metadata has no entry 'lifter'")
    config = json.loads(said["lifter"])
    if config["host"] not in MODELS:
        raise ValueError(f"{path} holds weights of {config['host']!r}, no name in the zoo; load the plugin that has it")
    try:
        lifter = build(_config(**config))
        lifter.load_state_dict(state)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path}: its config and weights don't fit this program: {error}") from error
    return lifter


def _config(host: str, config: dict[str, Any]) -> Host:
    pruning = config.pop("pruning", None)
    if pruning is not None:
        parts: dict[str, Any] = {
            name: PARTS[name](**part) if name in PARTS and part is not None else part for name, part in pruning.items()
        }
        pruning = Pruning(**parts)
    return MODELS[host].config(**config, pruning=pruning)
