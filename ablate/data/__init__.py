"""Datasets by name, and the one way in: ``load``.

A dataset is one function, ``read(config) -> Source``, and a line in ``DATASETS``. Everything after that (virtual
cameras, noise, windows) is the same for all of them. Nothing is imported before it is needed, because the configuration
alone must come without numpy.
"""

from typing import TYPE_CHECKING, Any

from ablate.data.config import DATASETS, DataConfig

if TYPE_CHECKING:
    from ablate.data.recording import Source
    from ablate.data.windows import Splits


def load(config: DataConfig, frames: int) -> "Splits":
    """The dataset that ``config`` names, as windows of ``frames`` frames. Raises DataError."""
    from ablate.data.film import digest, film
    from ablate.data.windows import Splits, evaluation

    source = DATASETS[config.name](config)
    splits = {
        name: evaluation([view for recording in recordings for view in film(recording, config)], frames)
        for name, recordings in source.splits.items()
    }
    return Splits(
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        digest=digest(splits.values()),
        info=_info(config, source),
    )


def _info(config: DataConfig, source: "Source") -> dict[str, Any]:
    recordings = [recording for split in source.splits.values() for recording in split]
    return {
        "name": config.name,
        "input": config.input,
        "subjects": {
            name: list(dict.fromkeys(recording.subject for recording in split)) for name, split in source.splits.items()
        },
        "clips": {name: len(split) for name, split in source.splits.items()},
        "minutes": {
            name: round(sum(len(r.world_TJ3) / r.fps for r in split) / 60, 2) for name, split in source.splits.items()
        },
        "fps": sorted({recording.fps for recording in recordings}),
        **source.info,
    }
