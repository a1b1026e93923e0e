"""Checkpoints of strangers, opened so that nothing in them can run: by torch's restricted unpickler, or as safetensors.

The unpickler looks every name of a pickle up in a list of its own and calls nothing else. What the reference programs
keep beside their tensors (numpy's random state and numbers) is not on it; here a blank stands in for each such name, so
the file is read and none of it reaches numpy. Any other name is refused.
"""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from ablate.errors import InputError
from ablate.weights.fitting import few

WRAPPERS = ("model_pos", "model")  # entries under which programs keep the state dict, beside their training's state
NUMBERS = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64)
GET_IT_AGAIN = "get the file again"


@dataclass(frozen=True)
class Opened:
    """``state``, its tensors on the CPU, without ``module.``, and the entries beside it, ``others``.

    ``layout``: the entry that the state dict was under, ``plain`` where it was the file's own content.
    """

    state: Mapping[str, Tensor]
    layout: str
    others: tuple[str, ...]


class Blank:
    """Stands in for what is not needed: takes whatever it is given, and keeps nothing."""

    def __new__(cls, *given: object) -> "Blank":
        return super().__new__(cls)

    def __init__(self, *given: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


# How numpy's releases spell what makes an array, a number or a RandomState.
BLANKS = (
    "numpy.ndarray",
    "numpy.dtype",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    "numpy.random.__RandomState_ctor",
    "numpy.random._pickle.__randomstate_ctor",
    "numpy.random._pickle.__bit_generator_ctor",
    "numpy.random._mt19937.MT19937",
)


def opened(path: Path) -> Opened:
    """The state dict in a file of ``torch.save`` (zip or legacy) or in safetensors.

    Raises InputError when it can't be read, names anything that could run, or holds something else than tensors.
    """
    try:
        with path.open("rb") as file:
            start, size = file.read(9), path.stat().st_size
        # safetensors begin with the length of a header, which is JSON
        found = load_safetensors(path.read_bytes()) if start[8:] == b"{" else _unpickled(path)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error}); name a file that is there") from error
    except SafetensorError as error:
        raise InputError(f"{path}: is no whole safetensors file ({error}); {GET_IT_AGAIN}") from error
    return _state(path, found, size)


def _unpickled(path: Path) -> Any:
    try:
        with (
            warnings.catch_warnings(action="ignore"),  # of what is refused below, or of no matter here
            torch.serialization.safe_globals([(Blank, name) for name in BLANKS]),
        ):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged or hostile pickle can raise anything
        # torch's own messages tell how to run the file all the same: only what they are about is passed on
        if named := re.search(r"GLOBAL (\S+)", str(error)):
            raise InputError(
                f"{path}: names {named[1]}, which is no part of a tensor and could run; the file is refused, nothing "
                "of it was run. Ask whoever made it for the state dict alone"
            ) from None
        reason = str(error.__context__ or error).strip().partition("\n")[0] or type(error).__name__
        if "weights_only" in reason:
            reason = "it has a form, such as TorchScript's, that torch reads in no safe way"
        raise InputError(f"{path}: can't be read as a checkpoint ({reason}); {GET_IT_AGAIN}") from None


def _state(path: Path, found: Any, size: int) -> Opened:
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds a {type(found).__name__}, and a checkpoint is a dict of tensors")
    # unbound, since a file may lay attributes over the methods of its dicts
    content = dict(dict.items(found))
    layout = next((name for name in WRAPPERS if isinstance(content.get(name), dict)), "plain")
    entries = list(dict.items(content if layout == "plain" else content[layout]))
    if strange := [str(key) for key, value in entries if not (isinstance(key, str) and _plain(value))]:
        raise InputError(
            f"{path}: {few(strange)}: no plain tensors; a state dict is looked for under {' and '.join(WRAPPERS)}, and "
            "else is the file's whole content"
        )
    state = {key.removeprefix("module."): value.detach() for key, value in entries}
    if not state or len(state) < len(entries):
        raise InputError(f"{path}: {'holds a key with and without module.' if state else 'holds no tensor'}")
    if sum(tensor.numel() * tensor.element_size() for tensor in state.values()) > size:
        raise InputError(f"{path}: its tensors claim more numbers than the file holds; {GET_IT_AGAIN}")
    return Opened(state, layout, () if layout == "plain" else tuple(str(key) for key in content if key != layout))


def _plain(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and value.dtype in NUMBERS
    )
