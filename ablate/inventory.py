"""The datasets by name, and the sets that were imported: what there is, and which one a name means."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ablate.data.config import DATASETS, DataConfig
from ablate.data.layout import outline
from ablate.data.npz import imported
from ablate.errors import DataError, InputError
from ablate.loading import complete
from ablate.nearest import nearest


def datasets() -> list[dict[str, str]]:
    """Each dataset's name, and the first sentence of what its reader's docstring says."""
    found = []
    for name, reader in DATASETS.items():
        text = getattr(reader, "docstring", reader.__doc__) or "no description"
        found.append({"name": name, "about": " ".join(text.split("\n\n")[0].replace("``", "`").split())})
    return found


def sets(home: Path) -> list[dict[str, Any]]:
    """Each imported set: its name and file, and how much is in it, or the ``problem`` with it."""
    found = []
    for name, path in imported(home).items():
        entry: dict[str, Any] = {"name": name, "file": str(path)}
        try:
            info, frames = outline(path)
        except DataError as error:
            found.append({**entry, "problem": str(error)})
            continue
        subjects = {"train": info.train, "validation": info.validation, "test": info.test}
        minutes = round(sum(frames.values()) / info.fps / 60, 2)
        found.append({**entry, "clips": len(frames), "minutes": minutes, "fps": info.fps, "subjects": subjects})
    return found


def chosen(name: str, path: Path | None, home: Path, settings: Sequence[str]) -> DataConfig:
    """What a study would say of the dataset or imported set ``name``. ``settings`` are ``path=value`` texts.

    Raises InputError for a name that is neither, StudyError for settings that are wrong.
    """
    raw: dict[str, Any] = {"name": name}
    if name not in DATASETS or name == "npz":
        there = imported(home)
        if path is None and name not in there:
            known = [*DATASETS, *there]
            text = f"is no dataset and no imported set; there are {', '.join(known)}{nearest(name, known)}"
            raise InputError(f"{name}: {text}")
        raw = {"name": "npz", "set": path.stem if path is not None and name == "npz" else name}
    if path is not None:
        raw["path"] = str(path)
    if other := [setting for setting in settings if not setting.startswith("data.")]:
        raise InputError(f"--set {other[0]}: is no setting of data; write it as data.cameras=2")
    # A model has to be named, and has nothing to do with the data.
    return complete({"model": {"name": "d3dp"}, "data": raw}, settings, lambda dotted: name).data
