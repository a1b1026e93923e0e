"""Measured promises: each bench runs real parts side by side on this machine, and says what it measured and where.

A bench is a function that returns rows. ``write`` puts them under ``reports/bench/<name>/`` with the environment.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ablate.provenance import environment
from ablate.writing import write_atomically


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured number. ``promise`` is the bound that it is held to, None for one that only informs; where a
    measurement was repeated, ``value`` is the median, and ``low`` and ``high`` are the quartiles."""

    what: str
    value: float
    unit: str
    promise: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def kept(self) -> bool | None:
        """Is the promise kept? None where there is none."""
        return None if self.promise is None else self.value <= self.promise

    @property
    def texts(self) -> tuple[str, str, str, str]:
        """What was measured, the value, the promise, and whether it is kept, to be read by a person."""
        middle = "" if self.low is None else f", quartiles {self.low:.3g} and {self.high:.3g}"
        promise = "" if self.promise is None else f"at most {self.promise:g} {self.unit}"
        verdict = {True: "kept", False: "BROKEN", None: ""}[self.kept]
        return self.what, f"{self.value:.3g} {self.unit}{middle}", promise, verdict


def content(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    """A bench's rows with the environment that they were measured in, in plain values."""
    return {"bench": name, "environment": environment(), "rows": [asdict(row) | {"kept": row.kept} for row in rows]}


def write(name: str, rows: Sequence[Row], reports: Path) -> Path:
    """Keep a bench's rows and environment; returns the folder. Raises StorageError."""
    folder = reports / "bench" / name
    write_atomically(folder / "result.json", (json.dumps(content(name, rows), indent=1) + "\n").encode())
    lines = ["| what | measured | promise | |", "| --- | ---: | ---: | --- |"]
    lines += [f"| {' | '.join(row.texts)} |" for row in rows]
    where = ", ".join(f"{key} {value}" for key, value in environment().items())
    write_atomically(folder / "table.md", "\n".join([*lines, "", f"Measured with {where}.", ""]).encode())
    return folder
