"""Real and made-up motion together: what a lifter for anybody's video is trained on."""

from pathlib import Path

from ablate.data import cmu, synthetic
from ablate.data.config import DataConfig
from ablate.data.recording import Source


def read(config: DataConfig, home: Path) -> Source:
    """The clips of `cmu` and of `synthetic`, split by split: one has the movements, the other has more bodies.

    Raises DataError as `cmu` does.
    """
    captured, made = cmu.read(config, home), synthetic.read(config)
    return Source(
        splits={name: (*captured.splits[name], *made.splits[name]) for name in captured.splits},
        info={**captured.info, "source": f"{captured.info['source']}; {made.info['source']}"},
    )
