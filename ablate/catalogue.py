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
from ablate.schema import configuration_type, put, resolve, semantic_problems
from models.config import SIZES, Host


def zoo() -> list[dict[str, Any]]:
    """Every host and every preset on each of them, at every size, with parameters and the compute of one pass."""
    entries = []
    for name, entry in models.MODELS.items():
        for host in models.hosts() if entry.preset else (name,):
            for size in SIZES:
                config = models.config(name, size, host=host)
                cost = models.cost(config)
                entries.append(
                    {
                        "model": name,
                        "host": host,
                        "size": size,
                        "frames": config.frames,
                        "params_m": cost.params_m,
                        "pass_gmacs": cost.pass_gmacs,
                        "about": entry.about,
                        "changes": entry.changes,
                        "paper": entry.paper,
                    }
                )
    return entries


def profile(
    name: str,
    size: str,
    frames: int | None,
    hypotheses: int,
    steps: int,
    flip: bool,
    settings: Sequence[str],
    host: str | None = None,
) -> dict[str, Any]:
    """Compute and parameters of one model, in closed form and by torch's counter on the meta device.

    Raises InputError for an unknown model, host or size, and for several hypotheses or steps of a deterministic host;
    StudyError for settings that are wrong.
    """
    given: dict[str, tuple[str, Sequence[str]]] = {"model": (name, [*models.MODELS]), "size": (size, [*SIZES])}
    if host is not None:
        given["host"] = (host, [name] if name in models.hosts() else models.hosts())
    for what, (value, valid) in given.items():
        if value not in valid:
            raise InputError(f"{value}: no such {what}; there are {', '.join(valid)}{nearest(value, valid)}")
    raw: dict[str, Any] = {"model": {"name": name, "host": host, "size": size}}
    if frames is not None:
        raw["model"]["frames"] = frames
    for path, value in parse_settings(settings).items():
        raw = put(raw, path, value)
    try:
        resolved = resolve(raw)
    except ValidationError as error:
        raise StudyError(describe(error, configuration_type(raw), lambda loc, key: "--set")) from error
    problems = [f"--set {'.'.join(map(str, loc))}: {text}" for loc, text in semantic_problems(resolved)]
    if problems:
        raise StudyError(problems)
    if not resolved.model.channels and (hypotheses, steps) != (1, 1):
        raise InputError(f"{resolved.host} is deterministic: it has one hypothesis and one step; ask for no more")
    return {"model": name, "host": resolved.host, "size": size, **_counts(resolved.model, hypotheses, steps, flip)}


def _counts(config: Host, hypotheses: int, steps: int, flip: bool) -> dict[str, Any]:
    import torch

    from ablate.compute import count

    cost = models.cost(config, hypotheses=hypotheses, steps=steps, flip=flip)
    with torch.device("meta"):
        lifter = models.build(config)
    return {
        "frames": config.frames,
        "hypotheses": hypotheses,
        "steps": steps,
        "flip": flip,
        **asdict(cost),
        **count(lifter, cost),
    }
