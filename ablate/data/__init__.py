"""Datasets by name, and the one way in: ``load``.

A dataset is one function, ``read(config, home) -> Source``, and a line in ``DATASETS``. Everything after that (virtual
cameras, noise, windows) is the same for all of them. Nothing is imported before it is needed, because the configuration
alone must come without numpy.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.data.config import DATASETS, DataConfig
from ablate.errors import DataError

if TYPE_CHECKING:
    from ablate.data.recording import Source
    from ablate.data.windows import Footage, Splits

SPLITS = ("train", "validation", "test")

# Shows a person how far something has come: called with what it is and how many steps it has (None: nobody knows), it
# gives what is called with the steps that are newly done.
Bar = Callable[[str, int | None], AbstractContextManager[Callable[[int], object]]]


def load(
    config: DataConfig, frames: int, home: Path, *, needed: Sequence[str] = SPLITS, bar: Bar | None = None
) -> "Splits":
    """The dataset that ``config`` names, as windows of ``frames`` frames.

    ``home`` is the project's folder of state: imported sets are there, and the cache of a dataset that takes long to
    read, whose making ``bar`` shows. Raises DataError, also where a split of ``needed`` holds nothing, and StorageError
    where the cache can't be written.
    """
    from ablate.data.cache import kept
    from ablate.data.film import digest, film
    from ablate.data.windows import Splits, cut, joined

    source = read(config, home)
    if source.kept is not None:
        footage, digested = kept(config, source, home / "cache", bar)
    else:
        footage = {
            name: joined([view for clip in source.splits[name] for view in film(clip, config)]) for name in SPLITS
        }
        digested = digest(footage.values())
    for name in needed:
        if not footage[name].views:
            raise DataError(f"{config.name}: has no clip for {name}, and some are needed; add some, or take other data")
    windows = {name: cut(footage[name], frames) for name in SPLITS}
    return Splits(**windows, digest=digested, info=_info(config, source.info, footage))


def read(config: DataConfig, home: Path) -> "Source":
    """What the dataset's own reader finds. Raises DataError."""
    reader = DATASETS[config.name]
    itself = getattr(reader, "itself", reader)
    needed = [p for p in inspect.signature(itself).parameters.values() if p.default is p.empty]
    found: Source = itself(config, home) if len(needed) > 1 else itself(config)
    return found


def _info(config: DataConfig, said: Mapping[str, Any], footage: "Mapping[str, Footage]") -> dict[str, Any]:
    views = {name: of_split.views for name, of_split in footage.items()}
    clips = {name: [view for view in seen if view.camera_index == 0] for name, seen in views.items()}
    return {
        "name": config.name,
        "input": config.input,
        "subjects": {name: list(dict.fromkeys(view.subject for view in seen)) for name, seen in views.items()},
        "clips": {name: len(found) for name, found in clips.items()},
        "minutes": {name: round(sum(len(v) / v.fps for v in found) / 60, 2) for name, found in clips.items()},
        "fps": sorted({view.fps for found in clips.values() for view in found}),
        **said,
    }
