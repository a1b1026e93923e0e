"""Measured promises: each bench runs real parts side by side on this machine, and says what it measured and where.

A bench is a function that returns rows. ``write`` puts them under ``reports/bench/<name>/`` with the environment.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ablate.provenance import environment
from ablate.records import write_atomically


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured number. ``promise`` is the bound that it is held to, None for one that only informs; ``low`` and
    ``high`` are quartiles where a measurement was repeated."""

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


def write(name: str, rows: Sequence[Row], reports: Path) -> Path:
    """Keep a bench's rows and environment; returns the folder. Raises StorageError."""
    folder = reports / "bench" / name
    content = {"bench": name, "environment": environment(), "rows": [asdict(row) | {"kept": row.kept} for row in rows]}
    write_atomically(folder / "result.json", (json.dumps(content, indent=1) + "\n").encode())
    lines = ["| what | value | promise |", "| --- | ---: | ---: |"]
    for row in rows:
        promise = "" if row.promise is None else f"≤ {row.promise:g} {row.unit}"
        lines.append(f"| {row.what} | {row.value:.3g} {row.unit} | {promise} |")
    write_atomically(folder / "table.md", ("\n".join(lines) + "\n").encode())
    return folder
