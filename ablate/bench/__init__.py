"""Measured promises: each bench runs real parts side by side on this machine, and says what it measured and where.

A bench is a function of its module's name, ``ablate.bench.<name>.<name>(...)``, that returns rows, or ``Measured``
where it leaves more than rows. ``write`` puts them under ``reports/bench/`` with the environment.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ablate.provenance import device_name, environment
from ablate.writing import write_atomically

Sense = Literal["at_most", "at_least"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured number. ``promise`` is the bound that it is held to, None for one that only informs, and ``sense``
    the side on which it has to stay; where a measurement was repeated, ``value`` is the median, and ``low`` and
    ``high`` are the quartiles."""

    what: str
    value: float
    unit: str
    promise: float | None = None
    sense: Sense = "at_most"
    low: float | None = None
    high: float | None = None

    @property
    def kept(self) -> bool | None:
        """Is the promise kept? None where there is none."""
        if self.promise is None:
            return None
        return self.value <= self.promise if self.sense == "at_most" else self.value >= self.promise

    @property
    def texts(self) -> tuple[str, str, str, str]:
        """What was measured, the value, the promise, and whether it is kept, to be read by a person."""
        middle = "" if self.low is None else f", quartiles {self.low:.3g} and {self.high:.3g}"
        bound = self.sense.replace("_", " ")
        promise = "" if self.promise is None else f"{bound} {self.promise:g} {self.unit}"
        verdict = {True: "kept", False: "BROKEN", None: ""}[self.kept]
        return self.what, f"{self.value:.3g} {self.unit}{middle}", promise, verdict


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a bench found: its rows, and files (a profile, a picture) that lie beside their table, by their names."""

    rows: Sequence[Row]
    files: Mapping[str, bytes] = field(default_factory=dict)


def content(name: str, rows: Sequence[Row], options: Mapping[str, Any] = {}) -> dict[str, Any]:
    """A bench's rows with the options and the environment that they were measured in, in plain values."""
    found = [asdict(row) | {"kept": row.kept} for row in rows]
    return {"bench": name, "options": dict(options), "environment": _where(options), "rows": found}


def write(
    name: str, rows: Sequence[Row], reports: Path, options: Mapping[str, Any] = {}, files: Mapping[str, bytes] = {}
) -> Path:
    """Keep a bench's rows, environment and files; returns the folder. Raises StorageError.

    The folder bears the bench's name and the options that were given, so that a quick try or another size or device
    leaves the result of the plain bench alone.
    """
    asked = [key if value is True else str(value) for key, value in options.items()]
    folder = reports / "bench" / "-".join([name, *asked]).replace(":", "")
    result = json.dumps(content(name, rows, options), indent=1) + "\n"
    write_atomically(folder / "result.json", result.encode())
    lines = ["| what | measured | promise | |", "| --- | ---: | ---: | --- |"]
    lines += [f"| {' | '.join(row.texts)} |" for row in rows]
    where = ", ".join(f"{key} {value}" for key, value in _where(options).items())
    write_atomically(folder / "table.md", "\n".join([*lines, "", f"Measured with {where}.", ""]).encode())
    for file, held in files.items():
        write_atomically(folder / file, held)
    return folder


def _where(options: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    return {
        **environment(),
        "device": device_name(torch.device(options.get("device", "cpu"))),
        "processor": f"{_processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
        "dtype": "float32 where no row says otherwise",
    }


def _processor() -> str:
    """Its model; the kernel of Linux knows it, elsewhere Python tells what it can."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
