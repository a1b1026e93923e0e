"""Which data a study uses, as a frozen value; reading them is the datasets' own business."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from models.names import Later, Names

if TYPE_CHECKING:
    from ablate.data.recording import Source

Problem = tuple[tuple[str, ...], str]

# What reads each dataset, called as read(config) or read(config, home), whichever it takes: people in world metres or
# before a camera, split by subject. ``home`` is the project's folder of state.
DATASETS: "dict[str, Callable[..., Source]]" = {
    "synthetic": Later("ablate.data.synthetic:read"),
    "cmu": Later("ablate.data.cmu:read"),
    "h36m": Later("ablate.data.h36m:read"),
    "3dhp": Later("ablate.data.dhp3:read"),
    "npz": Later("ablate.data.npz:read"),
    "cmu_synthetic": Later("ablate.data.mixed:read"),
}
VARIABLE = "ABLATE_DATA"
Input = Literal["gt", "detector", "coco"]
#: Datasets whose published results come from lifters that were trained on the validation subjects too.
BENCHMARKS = ("h36m", "3dhp")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """A dataset and how its motion becomes 2D input.

    ``path`` says where a dataset's files lie (the variable ``ABLATE_DATA`` serves where it is unset) and is not part of
    what is measured: the files' digest is recorded instead. ``input``: ``gt`` projects the true joints, ``detector``
    adds seeded, time-correlated detector noise; where a dataset brings 2D of its own, these are its true and its
    detected joints. ``coco`` makes the joints of a COCO detector's keypoints, as `ablate lift` does. ``cameras``
    virtual cameras film each recording that brings none, placed as ``rig`` says. ``seed`` draws cameras, noise and
    synthetic motion; it stays the same over a study's training seeds. ``clip_seconds`` sets the length of each
    synthetic recording.

    ``set`` names an imported set (``npz``). ``annotations`` says which of its two ground truths the files of ``3dhp``
    hold: in ``annot3`` people have their own size, in ``univ_annot3`` all have one. ``hold_out: false`` trains on the
    validation subjects as well, as published results of ``h36m`` and ``3dhp`` do: validation then sees nobody new.
    """

    name: Annotated[str, Names(DATASETS)] = "synthetic"
    path: str | None = None
    input: Input = "detector"
    cameras: int = 4
    seed: int = 0
    clip_seconds: float = 5.0
    set: str | None = None
    annotations: Literal["annot3", "univ_annot3"] | None = None
    rig: Literal["ring", "varied"] = "ring"
    hold_out: bool = True

    def problems(self) -> Iterator[Problem]:
        if text := Names(DATASETS).problem(self.name):
            yield ("name",), text
        if self.cameras < 1:
            yield (("cameras",), f"must be at least 1, got {self.cameras}")
        if not 1 <= self.clip_seconds <= 600:
            yield (("clip_seconds",), f"must lie in 1..600, got {self.clip_seconds:g}")
        if self.name == "npz" and self.set is None and self.path is None:
            yield (
                ("set",),
                "npz needs the name of an imported set (`ablate data list` shows them), or data.path its file",
            )
        if self.name != "npz" and self.set is not None:
            yield (("set",), f"is of npz alone; leave it out, or take data.name: npz instead of {self.name}")
        if self.name == "3dhp" and self.annotations is None:
            text = (
                "3dhp needs to be told which ground truth its files hold: annot3 (true size) or univ_annot3 (one size)"
            )
            yield (("annotations",), f"{text}; their errors are never comparable")
        if self.name != "3dhp" and self.annotations is not None:
            yield (("annotations",), f"is of 3dhp alone; leave it out with {self.name}")
        if self.name == "3dhp" and self.input == "detector":
            yield (("input",), "the files of 3dhp hold no detections; set data.input: gt")
        if self.name in BENCHMARKS and self.input == "coco":
            yield (("input",), f"{self.name} brings 2D of its own, which coco would leave aside; set data.input: gt")
        if not self.hold_out and self.name not in BENCHMARKS:
            yield (("hold_out",), f"only {' and '.join(BENCHMARKS)} may train on validation subjects; leave it out")
