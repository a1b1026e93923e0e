"""A user's own recordings: any file in this program's layout (layout.py), by the name it was imported under."""

import re
from pathlib import Path

from ablate.data.config import DataConfig
from ablate.data.layout import read_file, split
from ablate.data.recording import Source
from ablate.errors import DataError
from ablate.nearest import nearest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
POINT_TO_IT = "set data.set to the name of an imported set, or data.path to its file (`ablate data list` shows them)"


def read(config: DataConfig, home: Path) -> Source:
    """A user's own recordings, imported with `ablate data import` or written by hand in the same layout.

    A split may be empty. Raises DataError when there is no such file or it isn't what it should be.
    """
    path = _find(config, home)
    contents = read_file(path)
    info = contents.info
    splits = split(path, contents.recordings, {"train": info.train, "validation": info.validation, "test": info.test})
    if not contents.recordings:
        raise DataError(f"{path}: holds no recording; import some")
    texts = {"source": info.source, "licence": info.licence, "acknowledge": info.acknowledge}
    return Source(splits=splits, info={name: text for name, text in texts.items() if text is not None})


def folder(home: Path) -> Path:
    """Where imported sets lie, each as NAME.npz."""
    return home / "data"


def imported(home: Path) -> dict[str, Path]:
    """The files of all imported sets, by name."""
    return {path.stem: path for path in sorted(folder(home).glob("*.npz")) if NAME.fullmatch(path.stem)}


def _find(config: DataConfig, home: Path) -> Path:
    if config.path is None:
        if config.set is None:
            raise DataError(f"npz: not told which recordings; {POINT_TO_IT}")
        sets = imported(home)
        if config.set not in sets:
            raise DataError(f"{folder(home)}: has no set {config.set}{nearest(config.set, sets)}; {POINT_TO_IT}")
        return sets[config.set]
    try:
        path = Path(config.path).expanduser()
        if path.is_dir() and config.set is not None:
            path = path / f"{config.set}.npz"
        found = path.is_file()
    except (OSError, RuntimeError) as error:
        raise DataError(f"{config.path}: can't be looked at ({error}; data.path names it); {POINT_TO_IT}") from error
    if not found:
        raise DataError(f"{path}: no such file (data.path is {config.path}); {POINT_TO_IT}")
    return path
