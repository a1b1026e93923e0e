"""The sections of a study that say how to train, evaluate, measure and report, as frozen values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from models.branch import Branch
from models.config import Host
from models.pruning.elastic import Elastic, beyond, misfits
from models.sampling import Draws, Flip, draws_problems

Problem = tuple[tuple[str, ...], str]


def _at_least(section: object, minimum: float, *names: str) -> Iterator[Problem]:
    for name in names:
        value = getattr(section, name)
        if value < minimum:
            yield ((name,), f"must be at least {minimum:g}, got {value:g}")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How weights are made.

    ``mode: each`` trains at the cell's own ratios; ``elastic`` draws them anew each step, so that one training serves
    every ratio; ``dense`` prunes nothing, so that the host's own weights serve every ratio. ``learning_rate`` falls by
    ``schedule``: ``cosine`` to zero over all steps after ``warmup`` (a share of them), or ``exponential`` by ``decay``
    an epoch. ``ema`` averages the weights (its decay a step; None: off). ``clip`` bounds the gradient's norm.
    ``validate_every`` epochs the validation split is measured, with one hypothesis and one step, and the best epoch's
    weights are kept. ``windows`` caps the windows of an epoch (None: all). ``accumulate`` adds up the gradients of so
    many parts of each batch, one after the other (None: as suits the device); ``checkpointing`` keeps only what goes
    into each block, and computes the rest once more. Both save memory, and change weights by no more than rounding.
    """

    mode: Literal["each", "elastic", "dense"] = "each"
    elastic: Elastic = field(default_factory=Elastic)
    epochs: int = 100
    batch: int = 16
    windows: int | None = None
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    schedule: Literal["cosine", "exponential"] = "cosine"
    warmup: float = 0.05
    decay: float = 0.993
    clip: float | None = 1.0
    ema: float | None = None
    flip: bool = True
    validate_every: int = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    accelerator: Literal["cpu", "gpu", "auto"] = "auto"
    devices: int = 1
    accumulate: int | None = None
    checkpointing: bool = False

    def problems(self) -> Iterator[Problem]:
        yield from _at_least(self, 1, "epochs", "batch", "validate_every", "devices")
        if self.accumulate is not None and not 1 <= self.accumulate <= self.batch:
            yield (("accumulate",), f"must lie between 1 and train.batch, {self.batch}, got {self.accumulate}")
        if self.windows is not None:
            yield from _at_least(self, 1, "windows")
        if self.learning_rate <= 0:
            yield (("learning_rate",), f"must be positive, got {self.learning_rate:g}")
        yield from _at_least(self, 0, "weight_decay")
        if not 0 <= self.warmup < 1:
            yield (("warmup",), f"is a share of all steps in [0, 1), got {self.warmup:g}")
        if not 0 < self.decay <= 1:
            yield (("decay",), f"must lie in (0, 1], got {self.decay:g}")
        if self.clip is not None and self.clip <= 0:
            yield (("clip",), f"must be positive, got {self.clip:g}; leave it out or null for none")
        if self.ema is not None and not 0 < self.ema < 1:
            yield (("ema",), f"must lie in (0, 1), got {self.ema:g}; leave it out or null for none")
        yield from ((("elastic", *path), text) for path, text in self.elastic.problems())


def mode_problems(name: str, model: Host, train: TrainConfig) -> Iterator[Problem]:
    """Why the weights that ``train`` makes don't serve the pruning of ``model``, which a study calls ``name``."""
    pruning = model.pruning
    if train.mode == "elastic":
        if pruning is None:
            yield ("train", "mode"), f"elastic draws pruning ratios, and {name} prunes nothing; use each"
            return
        elastic = train.elastic
        if elastic.stages is not None:
            problems = elastic.stages.problems(model.frames, model.depth)
            yield from ((("train", "elastic", "stages", *path), text) for path, text in problems)
            for stage in beyond(pruning, elastic.stages):
                text = f"is not what train.elastic.stages trains as {stage}; make them equal, or leave stages out"
                yield ("model", "pruning", stage), text
        for text in misfits(pruning, elastic, model.frames, model.depth):
            yield ("train", "elastic", "policies"), text
    if train.mode != "each" and pruning is not None and pruning.tcep is not None and pruning.tcep.embed_places:
        text = f"{train.mode} weights serve every count, and places are learned for one; set it to false, or train.mode"
        yield ("model", "pruning", "tcep", "embed_places"), f"{text} to each"
    if train.mode == "dense" and pruning is not None and pruning.recovers_by_attention:
        text = f"{pruning.recovery.kind} has weights of its own, which dense training leaves out; use interpolate"
        yield ("model", "pruning", "recovery", "kind"), f"{text}, or set train.mode to each"


@dataclass(frozen=True, kw_only=True)
class BranchConfig(Branch):
    """As ``Branch``: ``start`` hypotheses up to step ``at_step``, from where on there are ``hypotheses``.

    That number is ``evaluate.hypotheses`` itself, which a study need not give again.
    """

    hypotheses: int


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """How poses are sampled and counted: H hypotheses, K denoising steps, flip averaging, DDIM's eta.

    ``flip: last`` averages with the mirrored window in the last step alone. ``draws: first`` draws x_T and no noise
    after it, ``none`` not even x_T; what isn't drawn stands at its mean, and ``eta`` says nothing then. ``precision:
    bf16-mixed`` multiplies in bfloat16. ``batch`` windows go through the network at once; it changes speed and memory,
    never a result. ``cameras`` (None: all) evaluates only the first so many cameras of each recording. ``low_pass``
    smooths the poses in time before they are judged, to what so many evenly kept frames of a window could follow: the
    control that stands beside pruning (None: off). ``branch`` runs the first steps with fewer hypotheses (None: all).
    ``protocol`` says which of two ways of counting is reported and searched by (see ablate.evaluate.protocols); each
    evaluation gives both.
    """

    hypotheses: int = 1
    steps: int = 1
    flip: Flip = True
    draws: Draws = "all"
    eta: float = 1.0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    batch: int = 16
    cameras: int | None = None
    low_pass: int | None = None
    branch: BranchConfig | None = None
    protocol: Literal["exact", "reference"] = "exact"

    def problems(self) -> Iterator[Problem]:
        yield from _at_least(self, 1, "hypotheses", "steps", "batch")
        yield from _at_least(self, 0, "eta")
        if self.cameras is not None:
            yield from _at_least(self, 1, "cameras")
        if self.low_pass is not None:
            yield from _at_least(self, 2, "low_pass")
        yield from draws_problems(self.draws, self.hypotheses, self.branch)
        if self.branch is not None:
            yield from self.branch.problems(self.hypotheses, self.steps, self.eta)
            if (at_end := self.branch.hypotheses) != self.hypotheses:
                text = f"is the number at the end, of which evaluate.hypotheses says {self.hypotheses}; leave that out"
                yield ("branch", "hypotheses"), f"{text}, or give {at_end} there too"


def counted(evaluate: Any) -> Any:
    """A file's raw ``evaluate``, its hypotheses counted: those at a branch's end where it says no other number."""
    branch = evaluate.get("branch") if isinstance(evaluate, Mapping) else None
    at_end = branch.get("hypotheses") if isinstance(branch, Mapping) else None
    return {"hypotheses": at_end, **evaluate} if isinstance(at_end, int) else evaluate


def told(value: Mapping[str, Any]) -> str:
    """A swept mapping as tables say it: '1 for 2 steps, then 5' of a branch, any other name by name."""
    if {"at_step", "hypotheses"} <= value.keys():
        steps = "step" if value["at_step"] == 1 else "steps"
        return f"{value.get('start', Branch.start)} for {value['at_step']} {steps}, then {value['hypotheses']}"
    return ", ".join(f"{name} {value[name]}" for name in sorted(value))


@dataclass(frozen=True, kw_only=True)
class MeasureConfig:
    """How compute is measured beside its closed form: latency of one window over ``repeats`` after ``warmup``."""

    counters: bool = True
    latency: bool = True
    warmup: int = 2
    repeats: int = 9

    def problems(self) -> Iterator[Problem]:
        yield from _at_least(self, 0, "warmup")
        yield from _at_least(self, 1, "repeats")


@dataclass(frozen=True, kw_only=True)
class PruneConfig:
    """When a training is stopped early: once every trial that it serves is, with the stated ``confidence``, dominated
    by a finished configuration of the same seed, in validation error at no more inference compute.

    The confidence is that of one training over all the epochs at which it is looked at: of the trainings that are
    judged, no more than the rest are to be stopped at a bound above the error that they would have come to (see
    stopping.py for what that assumes). How much an error still falls is learnt from ``curves`` finished trainings at
    least, of the same seed and course: of the very settings in ``train``, or each of others. Nothing is stopped before
    ``after`` epochs, and never the baseline. With several workers it depends on who is done first what is stopped.
    """

    confidence: float = 0.95
    after: int = 1
    curves: int = 4

    def problems(self) -> Iterator[Problem]:
        if not 0.5 <= self.confidence < 1:
            yield (("confidence",), f"must lie in [0.5, 1), got {self.confidence:g}")
        yield from _at_least(self, 1, "after")
        yield from _at_least(self, 4, "curves")


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """What the report shows first: the ``metric`` on the test split against ``compute``; ``margin_mm`` is the
    difference in millimetres that counts as practically nil."""

    metric: Literal["mpjpe", "p_mpjpe", "mpjve"] = "mpjpe"
    compute: Literal["inference_gmacs", "training_gmacs", "latency_ms"] = "inference_gmacs"
    margin_mm: float = 0.1

    def problems(self) -> Iterator[Problem]:
        if not 0 < self.margin_mm < float("inf"):
            yield (("margin_mm",), f"must be positive, got {self.margin_mm:g}")
