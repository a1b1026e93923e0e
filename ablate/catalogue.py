"""What the zoo holds and what it costs, counted without running anything."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

import models
from ablate.errors import InputError, StudyError
from ablate.loading import parse_settings
from ablate.nearest import nearest
from ablate.problems import describe
from ablate.schema import Configuration, put, resolve, semantic_problems
from models.config import D3DP, SIZES


def zoo() -> list[dict[str, Any]]:
    """Every model at every size, with parameters and the compute of one pass."""
    entries = []
    for name, entry in models.MODELS.items():
        for size in SIZES:
            config = models.config(name, size)
            cost = models.cost(config)
            entries.append(
                {
                    "model": name,
                    "size": size,
                    "frames": config.frames,
                    "params_m": cost.params_m,
                    "pass_gmacs": cost.pass_gmacs,
                    "about": entry.about,
                    "paper": entry.paper,
                }
            )
    return entries


def profile(
    name: str, size: str, frames: int | None, hypotheses: int, steps: int, flip: bool, settings: Sequence[str]
) -> dict[str, Any]:
    """Compute and parameters of one model, in closed form and by torch's counter on the meta device.

    Raises InputError for an unknown model or size, StudyError for settings that are wrong.
    """
    for given, valid, what in ((name, models.MODELS, "model"), (size, SIZES, "size")):
        if given not in valid:
            raise InputError(f"{given}: no such {what}; there are {', '.join(valid)}{nearest(given, valid)}")
    raw: dict[str, Any] = {"model": {"name": name, "size": size}}
    if frames is not None:
        raw["model"]["frames"] = frames
    for path, value in parse_settings(settings).items():
        raw = put(raw, path, value)
    try:
        config = resolve(raw).model
    except ValidationError as error:
        raise StudyError(describe(error, Configuration, lambda loc, key: "--set")) from error
    problems = [f"--set {'.'.join(map(str, loc))}: {text}" for loc, text in semantic_problems(resolve(raw))]
    if problems:
        raise StudyError(problems)
    return _counts(name, size, config, hypotheses, steps, flip)


def _counts(name: str, size: str, config: D3DP, hypotheses: int, steps: int, flip: bool) -> dict[str, Any]:
    import torch

    from ablate.compute import count

    cost = models.cost(config, hypotheses=hypotheses, steps=steps, flip=flip)
    with torch.device("meta"):
        lifter = models.build(config)
    return {
        "model": name,
        "size": size,
        "frames": config.frames,
        "hypotheses": hypotheses,
        "steps": steps,
        "flip": flip,
        **asdict(cost),
        **count(lifter, cost),
    }
