"""Which data a study uses, as a frozen value; reading them is the datasets' own business."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from models.names import Later, Names

if TYPE_CHECKING:
    from ablate.data.recording import Source

Problem = tuple[tuple[str, ...], str]

# What reads each dataset: recordings in world metres, split by subject, with cameras where it has its own.
DATASETS: "dict[str, Callable[[DataConfig], Source]]" = {
    "synthetic": Later("ablate.data.synthetic:read"),
    "cmu": Later("ablate.data.cmu:read"),
}


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """A dataset and how its motion becomes 2D input.

    ``path`` says where a dataset's files lie (the variable ``ABLATE_DATA`` serves where it is unset) and is not part of
    what is measured: the files' digest is recorded instead. ``input``: ``gt`` projects the true joints, ``detector``
    adds seeded, time-correlated detector noise. ``cameras`` virtual cameras film each recording. ``seed`` draws
    cameras, noise and synthetic motion; it stays the same over a study's training seeds. ``clip_seconds`` sets the
    length of each synthetic recording.
    """

    name: Annotated[str, Names(DATASETS)] = "synthetic"
    path: str | None = None
    input: Literal["gt", "detector"] = "detector"
    cameras: int = 4
    seed: int = 0
    clip_seconds: float = 5.0

    def problems(self) -> Iterator[Problem]:
        if text := Names(DATASETS).problem(self.name):
            yield ("name",), text
        if self.cameras < 1:
            yield (("cameras",), f"must be at least 1, got {self.cameras}")
        if not 1 <= self.clip_seconds <= 600:
            yield (("clip_seconds",), f"must lie in 1..600, got {self.clip_seconds:g}")
