"""What ``ablate data import`` was told, checked before anything is read."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablate.data.npz import NAME, folder
from ablate.errors import InputError
from ablate.mocap.reading import UNITS, Reading
from ablate.mocap.splitting import Chosen
from ablate.nearest import nearest


@dataclass(frozen=True, kw_only=True)
class Request:
    """``kind`` is amc, bvh or npz; ``fps`` the set's rate. ``raw_spine`` keeps the captured lengths of the spine's
    bones, ``keep_glitches`` the clips whose tracking jumps; ``force`` replaces ``out``."""

    kind: str
    out: Path
    fps: float = 50.0
    raw_spine: bool = False
    keep_glitches: bool = False
    force: bool = False
    reading: Reading = field(default_factory=Reading)
    chosen: Chosen = field(default_factory=Chosen)


def requested(
    *,
    kind: str,
    path: Path,
    out: str | None,
    home: Path,
    unit: str | None,
    source_fps: float | None,
    up: Any,
    test: tuple[str, ...],
    validation: tuple[str, ...],
    raw_spine: bool,
    **options: Any,
) -> tuple[Request, list[Path]]:
    """The request and its files; the words are the command's options. Raises InputError."""
    reading = Reading(unit=None if unit is None else _metres(unit), source_fps=source_fps, up=up)
    needless = {
        "--unit": unit is not None and kind == "npz",
        "--up": up is not None and kind == "npz",
        "--raw-spine": raw_spine and kind == "npz",
        "--source-fps": source_fps is not None and kind != "amc",
    }
    for option, given in needless.items():
        if given:
            raise InputError(f"{option}: says nothing about {kind} files, which hold it themselves; leave it out")
    request = Request(
        kind=kind,
        out=_target(out, path, home),
        raw_spine=raw_spine,
        reading=reading,
        chosen=Chosen(validation=validation, test=test),
        **options,
    )
    if request.out.exists() and not request.force:
        raise InputError(f"--out {request.out}: is there already; name another, or add --force")
    return request, found(path, kind)


def found(path: Path, kind: str) -> list[Path]:
    """The file, or all of the kind in a folder and those below it. Raises InputError where there is none."""
    try:
        if path.is_file():
            return [path]
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; name one with .{kind} files")
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() == f".{kind}" and file.is_file())
    except OSError as error:
        raise InputError(f"{path}: can't be looked at ({error.strerror}); name a file or a folder") from error
    if not files:
        raise InputError(f"{path}: holds no .{kind} file; name a folder that does, or another kind")
    return files


def _target(out: str | None, path: Path, home: Path) -> Path:
    """The file that is written. Raises InputError for what is no name."""
    if out is not None and (out.endswith(".npz") or "/" in out):
        if not out.endswith(".npz"):
            raise InputError(f"--out {out}: a file's name ends in .npz, and a set's has no /")
        return Path(out).expanduser()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", path.resolve().stem).lstrip("._-") if out is None else out
    if not NAME.fullmatch(name):
        text = "of letters, digits, . _ and -, the first a letter or digit"
        raise InputError(f"--out {name}: is no name for a set ({text}); give one")
    return folder(home) / f"{name}.npz"


def _metres(unit: str) -> float:
    """Metres of a unit, by name or as a number. Raises InputError."""
    if unit in UNITS:
        return UNITS[unit]
    try:
        metres = float(unit)
    except ValueError as error:
        known = ", ".join(UNITS)
        raise InputError(f"--unit {unit}: is none of {known}, and no number of metres{nearest(unit, UNITS)}") from error
    if not 1e-6 < metres < 1e3:
        raise InputError(f"--unit {unit}: must lie between 0.000001 and 1000 metres")
    return metres
