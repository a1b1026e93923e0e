"""What a study's file may hold, and what one of its cells resolves to."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model

from ablate.data.config import DataConfig
from ablate.sections import EvaluateConfig, MeasureConfig, ReportConfig, TrainConfig
from ablate.source import Loc
from models.config import D3DP, SIZES, Pruning, preset

FORBID = ConfigDict(extra="forbid", frozen=True)

# Ways to say the same thing: giving one in a study removes a preset's other.
ALTERNATIVES = ({"keep_ratio", "keep_frames"}, {"keep_ratio", "clusters"})

ModelName = Literal["d3dp", "htp", "htp_fast", "htp_max"]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]
Seed = Annotated[int, Field(ge=0)]


class Range(BaseModel):
    """A swept range: with ``step`` a list of values, without one a continuum that only a sampler can search."""

    model_config = FORBID
    low: int | float
    high: int | float
    step: int | float | None = None
    log: bool = False

    @property
    def values(self) -> list[float]:
        """The listed values, high included when a step lands on it; without a step only the two ends."""
        if self.step is None:
            return [self.low, self.high]
        count = int((self.high - self.low) / self.step + 1e-9) + 1
        return [round(self.low + i * self.step, 10) for i in range(count)]


Values = Annotated[list[JsonValue], Field(min_length=1)] | Range


class Variant(BaseModel):
    """A named row beside the sweep: the study's base with ``set`` applied, and a sweep of its own where it has one."""

    model_config = FORBID
    set: dict[str, JsonValue] = {}
    sweep: dict[str, Values] = {}


# Every field of a host is optional in a file: name and size give the rest.
ModelSection = create_model(
    "ModelSection",
    __config__=FORBID,
    name=(ModelName, ...),
    size=(Literal[tuple(SIZES)], "base"),
    **{f.name: (f.type, f.default) for f in dataclasses.fields(D3DP)},  # type: ignore[call-overload]
)


class StudyFile(BaseModel):
    """What a study's YAML may hold."""

    model_config = FORBID
    name: Slug
    question: str
    baseline: str
    model: ModelSection  # type: ignore[valid-type]
    sweep: dict[str, Values] = {}
    variants: dict[Slug, Variant] = {}
    design: Literal["grid", "random"] = "grid"
    sampler: Literal["tpe", "nsga2"] | None = None
    trials: Annotated[int, Field(ge=1)] | None = None
    seeds: Annotated[list[Seed], Field(min_length=1)] = [0]
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    measure: MeasureConfig = MeasureConfig()
    report: ReportConfig = ReportConfig()


class Configuration(BaseModel):
    """Everything that one cell of a study runs with, resolved: no preset, no default left open."""

    model_config = FORBID
    name: ModelName
    model: D3DP
    data: DataConfig
    train: TrainConfig
    evaluate: EvaluateConfig
    measure: MeasureConfig

    def resolved(self) -> dict[str, Any]:
        """Nested plain values, as recorded."""
        return self.model_dump(mode="json")


def resolve(raw: Mapping[str, Any]) -> Configuration:
    """Fill presets and defaults into raw sections. Raises pydantic's ValidationError, located in ``raw``."""
    model = dict(raw["model"])
    name, size = model.pop("name"), model.pop("size", "base")
    sizes: dict[str, Any] = dict(SIZES[size])
    plain = D3DP(**sizes)
    depth = model.get("depth", plain.depth)
    pruning = preset(name, depth) if isinstance(depth, int) and depth >= 1 else None
    defaults = dataclasses.asdict(dataclasses.replace(plain, pruning=pruning))
    if pruning is None and isinstance(model.get("pruning"), Mapping):
        defaults["pruning"] = dataclasses.asdict(Pruning())
    sections = {key: raw.get(key, {}) for key in ("data", "train", "evaluate", "measure")}
    content = {"name": name, "model": merge(defaults, model), **sections}
    return Configuration.model_validate_json(json.dumps(content), strict=True)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``over`` laid on top, mapping by mapping; an alternative given in ``over`` clears the base's."""
    result = dict(base)
    for key, value in over.items():
        for group in ALTERNATIVES:
            if key in group and value is not None:
                result.update(dict.fromkeys(group & result.keys() - over.keys()))
        nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merge(result[key], value) if nested else value
    return result


def put(raw: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of ``raw`` with ``value`` at the dotted ``path``; a None on the way becomes a mapping."""
    head, _, rest = path.partition(".")
    inner = raw.get(head)
    result = dict(raw)
    result[head] = put(inner if isinstance(inner, Mapping) else {}, rest, value) if rest else value
    if not rest and value is not None:
        for group in ALTERNATIVES:
            if head in group:
                for other in group & result.keys() - {head}:
                    del result[other]
    return result


def semantic_problems(configuration: Configuration) -> Iterator[tuple[Loc, str]]:
    """What types can't say: (path, message) for each rule that a configuration breaks."""
    for section in ("model", "data", "train", "evaluate", "measure"):
        for path, text in getattr(configuration, section).problems():
            yield (section, *path), text
    if configuration.train.mode == "elastic" and configuration.model.pruning is None:
        yield ("train", "mode"), f"elastic draws pruning ratios, and {configuration.name} prunes nothing; use fixed"
