"""The clips of CMU's database that make up the dataset ``cmu``: which, what is done in them, and in which split."""

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple

FPS = 120.0  # all of these; a few others of the database have 60


class Clip(NamedTuple):
    """``clip`` is CMU's own SUBJECT_TRIAL, ``name`` action and trial, ``frames`` how many there are at ``FPS``."""

    clip: str
    subject: str
    name: str
    split: str
    frames: int

    @property
    def files(self) -> tuple[str, str]:
        """Where CMU keeps the skeleton and the motion, below its subjects."""
        folder = self.clip.partition("_")[0]
        return f"{folder}/{folder}.asf", f"{folder}/{self.clip}.amc"


@cache
def clips() -> dict[str, Clip]:
    """All of them, by CMU's name of the clip."""
    text = files("ablate.mocap").joinpath("cmu_clips.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {r["clip"]: Clip(r["clip"], r["subject"], r["name"], r["split"], int(r["frames"])) for r in rows}
