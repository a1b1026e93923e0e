"""What the zoo holds and what it costs, counted without running anything."""

import inspect
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import models
from ablate.costing import cost_of
from ablate.errors import InputError
from ablate.loading import complete
from ablate.nearest import nearest
from ablate.schema import Configuration
from models.config import SIZES
from models.names import Later
from models.pruning.config import POLICIES, SFT, TCEP, ByTokens, Pruning, Recovery

FRAMES = SIZES["base"]["frames"]  # the window that compute is published for
RECOVERIES = {
    "interpolate": "Linear in time between the kept frames (a merged frame takes its group's token); learns nothing.",
    "cross_attention": "Learned queries, one a frame, attend to the kept tokens of each joint (HoT, CVPR 2024).",
    "skip_cross_attention": "The same, but the tokens of before pruning ask.",
}
# What the shares of policies and recoveries are shares of: a pass in which half of the frames stay from pair 1 on.
HALVED = Pruning(tcep=TCEP(policy="uniform"), sft=SFT())
ASKED = ("hypotheses", "steps", "flip", "branch")  # settings of evaluate that are options of the command
COMPARED = ("pass_gmacs", "inference_gmacs", "training_gmacs", "params_m", "activation_mb")


def zoo() -> dict[str, list[dict[str, Any]]]:
    """``models``: each host, and each preset on every host, at every size; ``policies``, ``recoveries``: what may stand
    in their places, with what that costs d3dp at size base.

    ``inference_gmacs`` is one window of the size's own frames, ``inference_gmacs_243`` one of 243, at one hypothesis,
    one step and no flip; ``activation_mb`` what one training sample keeps.
    """
    return {"models": _models(), "policies": _policies(), "recoveries": _recoveries()}


def _models() -> list[dict[str, Any]]:
    entries = []
    for name, entry in models.MODELS.items():
        hosts = models.hosts() if entry.preset else (name,)
        for host in hosts:
            for size in SIZES:
                config = models.config(name, size, host=host)
                cost = models.cost(config)
                whole = models.cost(models.config(name, size, host=host, frames=FRAMES))
                entries.append(
                    {
                        "model": name,
                        "host": host,
                        "hosts": list(hosts),
                        "size": size,
                        "frames": config.frames,
                        "params_m": cost.params_m,
                        "pass_gmacs": cost.pass_gmacs,
                        "inference_gmacs": cost.inference_gmacs,
                        f"inference_gmacs_{FRAMES}": whole.inference_gmacs,
                        "activation_mb": cost.activation_mb,
                        "about": entry.about,
                        "changes": entry.changes,
                        "paper": entry.paper,
                    }
                )
    return entries


def _policies() -> list[dict[str, Any]]:
    assert HALVED.tcep is not None
    entries = []
    for name, policy in POLICIES.items():
        cost = models.cost(models.config("d3dp", pruning=replace(HALVED, tcep=replace(HALVED.tcep, policy=name))))
        chosen = sum(cost.stages["selection"].values())
        entries.append(
            {
                "policy": name,
                "about": _about(policy),
                "window_gmacs": cost.window_gmacs,
                "pass_gmacs": chosen,
                "share_percent": 100 * (cost.window_gmacs + chosen) / cost.inference_gmacs,
            }
        )
    return entries


def _about(policy: Any) -> str:
    """The first paragraph of a policy's docstring."""
    choose = policy.choose if isinstance(policy, ByTokens) else policy
    told = choose.docstring if isinstance(choose, Later) else inspect.getdoc(choose) or ""
    return " ".join(told.split("\n\n")[0].replace("``", "").split())


def _recoveries() -> list[dict[str, Any]]:
    without = models.cost(models.config("d3dp", pruning=HALVED)).params_m
    entries = []
    for kind, about in RECOVERIES.items():
        cost = models.cost(models.config("d3dp", pruning=replace(HALVED, recovery=Recovery(kind=kind))))  # type: ignore[arg-type]
        recovered = sum(cost.stages["recovery"].values())
        entries.append(
            {
                "recovery": kind,
                "about": about,
                "params_m": cost.params_m - without,
                "pass_gmacs": recovered,
                "share_percent": 100 * recovered / cost.inference_gmacs,
            }
        )
    return entries


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What ``ablate profile`` was asked for: a model on a host, at a size, of ``frames`` (None: the size's own).

    ``branch``: START:AT_STEP, so many hypotheses up to that step, and all from there on.
    """

    model: str
    host: str | None = None
    size: str = "base"
    frames: int | None = None
    hypotheses: int = 1
    steps: int = 1
    flip: bool = True
    branch: str | None = None
    settings: Sequence[str] = ()


def profile(asked: Asked, compare: str | None = None) -> dict[str, Any]:
    """Compute, parameters and activation memory of one model, in closed form and by two counters on the meta device.

    ``compare`` names another, which is counted as large, on as many frames and at the same H, K and flip;
    ``reduction_percent`` then says by how much each number is lower than its. Raises InputError for an unknown model,
    host or size, and for several hypotheses or steps of a deterministic host; StudyError for settings that are wrong.
    """
    configuration = _configuration(asked)
    found = _counts(asked, configuration)
    if compare is not None:
        other = _other(asked, configuration, compare)
        found["reduction_percent"] = {name: 100 * (1 - found[name] / other[name]) for name in COMPARED}
        found["compared_with"] = other
    return found


def _other(asked: Asked, configuration: Configuration, compare: str) -> dict[str, Any]:
    model = configuration.model
    as_large = [f"model.{name}={getattr(model, name)}" for name in (*SIZES["base"], "mlp_ratio")]
    as_sampled = [setting for setting in asked.settings if setting.startswith("evaluate.")]
    other = replace(asked, model=compare, host=None, frames=None, settings=[*as_large, *as_sampled])
    return _counts(other, _configuration(other, "--compare "))


def _configuration(asked: Asked, option: str = "") -> Configuration:
    """``option``: where the model's name was given, for messages."""
    given: dict[str, tuple[str, Sequence[str]]] = {
        "model": (asked.model, [*models.MODELS]),
        "size": (asked.size, [*SIZES]),
    }
    if asked.host is not None:
        given["host"] = (asked.host, [asked.model] if asked.model in models.hosts() else models.hosts())
    for what, (value, valid) in given.items():
        if value not in valid:
            raise InputError(f"{option}{value}: no such {what}; there are {', '.join(valid)}{nearest(value, valid)}")
    raw: dict[str, Any] = {
        "model": {"name": asked.model, "host": asked.host, "size": asked.size},
        "train": {},
        "evaluate": {"hypotheses": asked.hypotheses, "steps": asked.steps, "flip": asked.flip},
    }
    if asked.frames is not None:
        raw["model"]["frames"] = asked.frames
    if asked.branch is not None:
        raw["evaluate"]["branch"] = _branch(asked.branch, asked.hypotheses)

    def origin(dotted: str) -> str:
        section, _, rest = dotted.partition(".")
        named = rest.partition(".")[0]
        return f"--{named}" if section == "evaluate" and named in ASKED else f"{option}{asked.model}"

    return complete(raw, asked.settings, origin)


def _branch(text: str, hypotheses: int) -> dict[str, int]:
    found = re.fullmatch(r"(\d+):(\d+)", text)
    if found is None:
        raise InputError(f"--branch {text}: write START:AT_STEP, for instance 1:3: one hypothesis up to step 3")
    return {"start": int(found[1]), "at_step": int(found[2]), "hypotheses": hypotheses}


def _counts(asked: Asked, configuration: Configuration) -> dict[str, Any]:
    import torch

    from ablate.compute import count

    cost, how, pruning = cost_of(configuration), configuration.evaluate, configuration.model.pruning
    with torch.device("meta"):
        lifter = models.build(configuration.model)
    return {
        "model": asked.model,
        "host": configuration.host,
        "size": asked.size,
        "frames": configuration.model.frames,
        "hypotheses": how.hypotheses,
        "steps": how.steps,
        "flip": how.flip,
        "branch": None if how.branch is None else asdict(how.branch),
        "schedule": None if pruning is None else pruning.schedule,
        **asdict(cost),
        **count(lifter, cost),
    }
