"""A checkpoint in a reference program's layout becomes a lifter's file of this zoo, every key used or reported.

Sizes are read from the weights. What these can't tell has the published value, unless a setting gives another.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import models
from ablate.errors import InputError, StorageError
from ablate.loading import complete, parse_settings
from ablate.nearest import nearest
from ablate.schema import put
from ablate.weights.fitting import few, misfits
from ablate.weights.opening import Opened, opened
from ablate.writing import write_atomically
from models import checkpoint
from models.config import Host
from models.diffusion import alphas_cumprod

Layout = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]

# Of each model, what maps the keys of its reference program to ours.
LAYOUTS: Mapping[str, Layout] = {
    "mixste": checkpoint.from_mixste,
    "d3dp": checkpoint.from_d3dp,
    "ddhpose": checkpoint.from_ddhpose,
    "ktpformer": checkpoint.from_ktpformer,
    "hot": checkpoint.from_hot,
}
# Settings that change the poses and that no weight has the shape of.
UNTOLD = ("heads", "timesteps", "scale", "pruning.tcep.before_pair")
SCHEDULE_TOLERANCE = 1e-6


def import_checkpoint(
    path: Path, model: str, out: Path, *, settings: Sequence[str] = (), force: bool = False
) -> dict[str, Any]:
    """Write the lifter of ``path`` to ``out``, atomically, and return what was read, used and left out.

    Raises InputError, with nothing written, where ``out`` is there (without ``force``), where the file is not to be
    trusted (see opening), or where its keys, shapes or noise schedule are not those of ``model``.
    """
    if model not in LAYOUTS:
        raise InputError(f"--model {model}: there are {', '.join(LAYOUTS)}{nearest(model, LAYOUTS)}")
    if out.exists() and not force:
        raise InputError(f"--out {out}: is there already; name another file, or add --force")
    found = opened(path)
    if out.exists() and out.samefile(path):
        raise InputError(f"--out {out}: is the checkpoint itself; name another file")
    used, dropped = _sorted(path, model, found.state)
    try:
        mapped = LAYOUTS[model](found.state)
        told = _sizes(mapped, found.state)
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: a tensor that gives {model} its sizes is missing or misshapen ({error})") from error
    config = _config(path, model, told, settings)
    if problems := misfits(config, mapped, used):
        sizes = f"{config.frames} frames, width {config.width}, {config.depth} pairs"
        raise InputError("\n".join([f"{path}: does not fit {model} with {sizes}", *problems]))
    if "betas" in found.state:
        _same_schedule(path, found.state["betas"])
    lifter = models.build(config)
    lifter.load_state_dict(mapped)
    content = models.serialised(lifter)
    given = {setting.removeprefix("model."): value for setting, value in parse_settings(settings).items()}
    known = told.keys() | given.keys()
    try:
        write_atomically(out, content)
    except StorageError as error:
        raise InputError(f"--out {out}: can't be written ({error.__cause__}); free it, or name another") from error
    return {
        "file": str(path),
        "model": model,
        "host": models.host_of(config),
        "out": str(out),
        "sha256": hashlib.sha256(content).hexdigest(),
        "layout": found.layout,
        "params_m": models.cost(config).params_m,
        "read": told,
        "set": given,
        "assumed": {
            name: value for name in UNTOLD if (value := _value(config, name)) is not None and name not in known
        },
        "keys_used": len(used),
        "left_out": _reasons(found, dropped),
    }


def _sorted(path: Path, model: str, state: Mapping[str, Tensor]) -> tuple[dict[str, str], list[str]]:
    """The keys that the layout uses by our names for them, and those that it drops. Raises InputError for others."""
    used: dict[str, str] = {}
    dropped, unknown = [], []
    for key, tensor in state.items():
        try:
            names = LAYOUTS[model]({key: tensor})
        except ValueError:
            unknown.append(key)
        else:
            used |= dict.fromkeys(names, key)
            dropped += [] if names else [key]
    if unknown:
        fitting = [name for name in LAYOUTS if name != model and _knows(name, state)]
        hint = f"; as --model {' or '.join(fitting)} all are known" if fitting else ""
        raise InputError(f"{path}: not keys of {model}: {few(unknown)}{hint}")
    return used, dropped


def _knows(model: str, state: Mapping[str, Tensor]) -> bool:
    try:
        LAYOUTS[model](state)
    except (ValueError, RuntimeError):
        return False
    return True


def _sizes(mapped: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the shapes say of the config, by path. Raises KeyError or ValueError where one isn't as it should be."""
    frames, width = mapped["denoiser.frame_embedding"].shape
    hidden, _ = mapped["denoiser.spatial.0.mlp.fc1.weight"].shape
    pairs = {name.split(".")[2] for name in mapped if name.startswith("denoiser.spatial.")}
    told = {"frames": frames, "width": width, "depth": len(pairs), "mlp_ratio": hidden / max(width, 1)}
    if "betas" in state:
        told["timesteps"] = state["betas"].numel()
    if "denoiser.place_embedding" in mapped:
        told["pruning.tcep.keep_frames"] = len(mapped["denoiser.place_embedding"])
    return told


def _config(path: Path, model: str, told: Mapping[str, Any], settings: Sequence[str]) -> Host:
    raw: dict[str, Any] = {"model": {"name": model}}
    for name, value in told.items():
        raw = put(raw, f"model.{name}", value)
    fixed = {f"model.{name}": value for name, value in told.items()} | {"model.name": model}
    for setting, value in parse_settings(settings).items():
        if setting in fixed and value != fixed[setting]:
            raise InputError(f"--set {setting}={value}: the file has {fixed[setting]}; leave it out")
    return complete(raw, settings, lambda dotted: str(path)).model


def _same_schedule(path: Path, betas: Tensor) -> None:
    """Raises InputError where a file was trained with another noise schedule than the one its lifter would have."""
    kept = torch.cumprod(1 - betas.double().flatten(), dim=0)
    if not torch.allclose(kept, alphas_cumprod(len(kept)), rtol=0, atol=SCHEDULE_TOLERANCE):
        raise InputError(f"{path}: its betas are not those of the cosine schedule, the only one here")


def _value(config: Any, dotted: str) -> Any:
    """What stands at a path of a config; None where there is no such part."""
    for name in dotted.split("."):
        config = getattr(config, name, None)
    return config


def _reasons(found: Opened, dropped: Sequence[str]) -> dict[str, str]:
    """Why each part of the file that is not in the lifter isn't."""
    reasons = dict.fromkeys(found.others, f"beside {found.layout}, the training's own")
    for key in dropped:
        counts = key.endswith("num_batches_tracked")
        reasons[key] = "counts the training's batches" if counts else "the noise schedule, which the config gives"
    return reasons
