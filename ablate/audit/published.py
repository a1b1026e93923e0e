"""What papers and their programs publish of their compute: published.csv, each row with its source.

The table says in words what a source counted. ``STATED`` is what they settle and, by ``None``, what they leave open.
"""

import csv
import io
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from ablate.errors import DataError

Per = Literal["window", "frame"]


@dataclass(frozen=True, kw_only=True)
class Stated:
    """How a figure is said to be counted: ``factor`` units for a MAC, with attention products or without, for what."""

    unit: Literal["MACs", "FLOPs"]
    factor: int | None = None
    attention: bool | None = None
    per: Per | None = None


STATED = {
    "MACs per window; attention products not counted": Stated(unit="MACs", factor=1, attention=False, per="window"),
    "FLOPs per window = 2 x linear MACs; attention products not counted": Stated(
        unit="FLOPs", factor=2, attention=False, per="window"
    ),
    "MACs per window": Stated(unit="MACs", factor=1, per="window"),
    "FLOPs per frame (seq2frame)": Stated(unit="FLOPs", per="frame"),
    "FLOPs; convention unstated": Stated(unit="FLOPs"),
}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One published figure of compute, or that a method was published at this H and K without one.

    ``compute_g``: 1e9 of what ``stated`` says; both ``None`` where no absolute number was published. ``convention``:
    the table's words for how it was counted.
    """

    method: str
    venue: str
    frames: int
    hypotheses: int | None
    steps: int | None
    compute_g: float | None
    convention: str
    stated: Stated | None
    params_m: float | None
    source: str


def table() -> str:
    """The text of the table that comes with the program."""
    return files("ablate.audit").joinpath("published.csv").read_text(encoding="utf-8")


def read(text: str) -> list[Figure]:
    """The different figures of a table (CSV), in its order; accuracies on several inputs repeat one figure.

    Raises DataError for a number whose convention isn't in ``STATED``: guessing one would defeat the audit.
    """
    found: dict[tuple[object, ...], Figure] = {}
    for line, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        compute, convention = _number(row["compute_g"]), row["compute_convention"]
        if compute is not None and convention not in STATED:
            known = "; ".join(map(repr, STATED))
            raise DataError(f"published compute, line {line}: convention {convention!r} is not one of {known}")
        figure = Figure(
            method=row["method"],
            venue=row["venue"],
            frames=int(row["frames"]),
            hypotheses=_count(row["hypotheses"]),
            steps=_count(row["steps"]),
            compute_g=compute,
            convention=convention,
            stated=None if compute is None else STATED[convention],
            params_m=_number(row["params_m"]),
            source=row["source"],
        )
        key = (figure.method, figure.frames, figure.hypotheses, figure.steps, compute, convention)
        found.setdefault(key, figure)
    return list(found.values())


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


def _count(cell: str) -> int | None:
    return int(cell) if cell else None
