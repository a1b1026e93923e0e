"""What a sampler's proposal gives to do, decided before anything is started."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ablate.costing import known_compute
from ablate.loading import Study
from ablate.plan import Trial, sampled_cell
from ablate.quantities import broken
from ablate.schema import semantic_problems
from ablate.search.seen import Seen


@dataclass(frozen=True)
class Rejected:
    """Nothing to do, and why. ``repeats`` is the configuration of a proposal that came before with every seed;
    ``excess`` says by constraint how far one lies over its bound."""

    reason: str = ""
    repeats: str = ""
    excess: Mapping[str, float] = field(default_factory=dict)


def judge(study: Study, values: Mapping[str, Any], seen: Seen, variants: Mapping[str, str]) -> Trial | Rejected:
    """The trial that these values of the swept paths ask for. ``variants`` are labels by configuration."""
    try:
        cell = sampled_cell(study, values)
    except ValidationError as error:
        first = error.errors()[0]
        return Rejected(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    for path, text in semantic_problems(cell.configuration):
        return Rejected(f"{'.'.join(map(str, path))}: {text}")
    bounds = [c for c in study.constraints if c.known]
    numbers = known_compute(cell.configuration) if bounds else {}
    if reason := broken(bounds, numbers):
        return Rejected(reason, excess={str(c): c.excess(numbers[c.name]) for c in bounds})
    if cell.id in variants:
        return Rejected(f"the same configuration as '{variants[cell.id]}'")
    left = seen.seeds_left(cell.id)
    return Trial(cell, left[0]) if left else Rejected(repeats=cell.id)
