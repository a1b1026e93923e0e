"""What a study's file may hold, and what one of its cells resolves to."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, create_model
from pydantic_core import InitErrorDetails, PydanticKnownError

import models
from ablate.data.config import DataConfig
from ablate.sections import (
    EvaluateConfig,
    MeasureConfig,
    PruneConfig,
    ReportConfig,
    TrainConfig,
    counted,
    mode_problems,
)
from ablate.source import Loc
from models import MODELS
from models.config import D3DP, SIZES, Host
from models.names import Names
from models.pruning.config import Pruning

FORBID = ConfigDict(extra="forbid", frozen=True)

# Ways to say the same thing: giving one in a study removes a preset's other.
ALTERNATIVES = ({"keep_ratio", "keep_frames"}, {"keep_ratio", "clusters"})

Design = Literal["grid", "random", "one_factor", "components"]
Sampler = Literal["tpe", "nsga2", "nsga3", "gp", "qmc"]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]
Seed = Annotated[int, Field(ge=0)]


def _expected(known: Iterable[str]) -> dict[str, Any]:
    """As pydantic tells a wrong literal."""
    return {"expected": ", ".join(map(repr, known))}


def _one_of(names: Names) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names.known:
            raise PydanticKnownError("literal_error", _expected(names.known))
        return name

    return AfterValidator(check)


_MODELS, _HOSTS = Names(MODELS), Names(MODELS, lambda entry: entry.preset is None)
ModelName = Annotated[str, _one_of(_MODELS), _MODELS]
HostName = Annotated[str, _one_of(_HOSTS), _HOSTS]


MOST = 100_000  # values that a range may list


class Range(BaseModel):
    """A swept range: with ``step`` a list of values, without one a continuum that only a sampler can search."""

    model_config = FORBID
    low: int | float
    high: int | float
    step: int | float | None = None
    log: bool = False

    @property
    def values(self) -> list[float]:
        """The listed values, high included when a step lands on it; the two ends without a step that makes sense."""
        return [self.low, self.high] if self.count is None else [self.at(i) for i in range(self.count)]

    @property
    def count(self) -> int | None:
        """How many values are listed; None without a step that makes sense, and where it would list too many."""
        if self.step is None or self.step <= 0 or self.high < self.low:
            return None
        count = (self.high - self.low) / self.step + 1e-9 + 1
        return int(count) if count < MOST + 1 else None

    def at(self, index: int) -> float:
        """The listed value at ``index``, without the noise of adding up steps."""
        return round(self.low + index * (self.step or 0), 10)


Values = Annotated[list[JsonValue], Field(min_length=1)] | Range


class Variant(BaseModel):
    """A named row beside the sweep: the study's base with ``set`` applied, and a sweep of its own where it has one."""

    model_config = FORBID
    set: dict[str, JsonValue] = {}
    sweep: dict[str, Values] = {}


class Components(BaseModel):
    """What the base is made of, taken out by ``without``: a name, and the settings that remove what it names.

    ``leave_one_out`` gives all of them in, then each one out; ``add_one_in`` all out, then each one alone in;
    ``factorial`` every combination.
    """

    model_config = FORBID
    plan: Literal["leave_one_out", "add_one_in", "factorial"]
    without: Annotated[
        dict[Slug, Annotated[dict[str, JsonValue], Field(min_length=1)]],
        Field(min_length=1),
    ]


def _model_section(config: type[Host]) -> type[BaseModel]:
    """What a file may say of a model: every field of its config is optional; name, host and size give the rest."""
    fields: dict[str, Any] = {"name": (ModelName, ...), "host": (HostName | None, None)}
    fields["size"] = (Literal[tuple(SIZES)], "base")
    types, defaults = get_type_hints(config, include_extras=True), dataclasses.asdict(config())
    fields |= {name: (types[name], default) for name, default in defaults.items()}
    return create_model("ModelSection", __config__=FORBID, **fields)


ModelSection = _model_section(D3DP)


class StudyFile(BaseModel):
    """What a study's YAML may hold.

    ``design`` plans the study's own cells: ``grid`` crosses the sweep, ``random`` draws ``trials`` cells of that grid,
    ``one_factor`` changes one swept path at a time around the base, ``components`` takes named parts out of it. A
    ``sampler`` searches the sweep instead, for ``trials`` different pairs of a configuration and a seed, by
    ``objectives``. ``constraints`` bound numbers: a cell that is known to break one is never started.
    ``prune`` stops trainings early that are of no use to the front. ``claims`` are sentences (see ablate/claims.py)
    that the report judges.
    """

    model_config = FORBID
    name: Slug
    question: str
    baseline: str
    model: ModelSection  # type: ignore[valid-type]
    sweep: dict[str, Values] = {}
    variants: dict[Slug, Variant] = {}
    components: Components | None = None
    design: Design = "grid"
    sampler: Sampler | None = None
    objectives: Annotated[list[str], Field(min_length=1)] = ["validation_mpjpe_mm", "inference_gmacs"]
    constraints: list[str] = []
    trials: Annotated[int, Field(ge=1)] | None = None
    seeds: Annotated[list[Seed], Field(min_length=1)] = [0]
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    measure: MeasureConfig = MeasureConfig()
    report: ReportConfig = ReportConfig()
    prune: PruneConfig | None = None
    claims: list[str] = []


@cache
def _study_file(name: str) -> type[StudyFile]:
    config = MODELS[name].config
    section: Any = _model_section(config)
    return StudyFile if config is D3DP else create_model("StudyFile", __base__=StudyFile, model=(section, ...))


def study_file(raw: Mapping[str, Any]) -> type[StudyFile]:
    """``StudyFile``, with the settings of the model that a file's raw values name."""
    model = raw.get("model")
    named = (model.get("host") or model.get("name")) if isinstance(model, Mapping) else None
    return _study_file(named) if isinstance(named, str) and named in MODELS else StudyFile


class Configuration(BaseModel):
    """Everything that one cell of a study runs with, resolved: no preset, no default left open."""

    model_config = FORBID
    name: ModelName
    model: Host
    data: DataConfig
    train: TrainConfig
    evaluate: EvaluateConfig
    measure: MeasureConfig

    @property
    def host(self) -> str:
        """The name of the network itself, whatever presets it has."""
        return models.host_of(self.model)

    def resolved(self) -> dict[str, Any]:
        """Nested plain values, as recorded; the host is told where it isn't the name's own."""
        content = self.model_dump(mode="json")
        return content if type(self.model) is MODELS[self.name].config else {"host": self.host, **content}


@cache
def _configuration(name: str) -> type[Configuration]:
    """``Configuration`` with a model of the very class that ``name`` has: each host has settings of its own."""
    return create_model("Configuration", __base__=Configuration, model=(MODELS[name].config, ...))


def resolve(raw: Mapping[str, Any]) -> Configuration:
    """Fill presets and defaults into raw sections. Raises pydantic's ValidationError, located in ``raw``."""
    model = dict(raw["model"])
    name, size, depth = model.pop("name"), model.pop("size", "base"), model.get("depth")
    host = model.pop("host", None)
    # None is left in the resolved model, where the types would tell a wrong one that was swept.
    on = [name] if name in models.hosts() else _HOSTS.known  # a host stands on no other
    for key, value, known in (("name", name, _MODELS.known), ("size", size, [*SIZES]), ("host", host, [*on, None])):
        if value not in known:
            expected = _expected(choice for choice in known if choice is not None)
            wrong = InitErrorDetails(type="literal_error", loc=("model", key), input=value, ctx=expected)
            raise ValidationError.from_exception_data("Configuration", [wrong])
    prunes = isinstance(model.get("pruning"), Mapping)
    defaults = _defaults(name, host, size, depth if isinstance(depth, int) else None, prunes)
    sections = {key: raw.get(key, {}) for key in ("data", "train", "evaluate", "measure")}
    sections["evaluate"] = counted(sections["evaluate"])
    content = {"name": name, "model": merge(defaults, model), **sections}
    return _configuration(host or name).model_validate_json(json.dumps(content), strict=True)


def configuration_type(raw: Mapping[str, Any]) -> type[Configuration]:
    """What raw sections are resolved to, for telling its valid names; the plain one where name or host is wrong."""
    named = raw["model"].get("host") or raw["model"]["name"]
    return _configuration(named) if named in _MODELS.known else Configuration


@cache  # a study of thousands of cells asks for few of these
def _defaults(name: str, host: str | None, size: str, depth: int | None, prunes: bool) -> Mapping[str, Any]:
    """What a name, a host and a size stand for, as plain values; a preset follows ``depth`` where that is given.
    A host without a preset that ``prunes`` all the same has each stage off."""
    entry, sizes = models.entry(name, host), dict[str, Any](SIZES[size])
    plain = entry.config(**sizes)
    pairs = plain.depth if depth is None else depth
    pruning = plain.pruning if entry.preset is None or pairs < 1 else entry.preset(pairs)
    defaults = dataclasses.asdict(dataclasses.replace(plain, pruning=pruning))
    if pruning is None and prunes:
        defaults["pruning"] = dataclasses.asdict(Pruning())
    return defaults


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
                result.update(dict.fromkeys(group & result.keys() - {head}))
    return result


def semantic_problems(configuration: Configuration) -> Iterator[tuple[Loc, str]]:
    """What types can't say: (path, message) for each rule that a configuration breaks."""
    for section in ("model", "data", "train", "evaluate", "measure"):
        for path, text in getattr(configuration, section).problems():
            yield (section, *path), text
    if not configuration.model.channels:
        for name in ("hypotheses", "steps"):
            if (asked := getattr(configuration.evaluate, name)) > 1:
                text = f"{configuration.host} is deterministic, it has one hypothesis and one step"
                yield ("evaluate", name), f"{text}; set {name} to 1, got {asked}"
        if configuration.evaluate.draws != "all":
            yield ("evaluate", "draws"), f"{configuration.host} is deterministic, it draws nothing; leave this out"
    for name in ("devices", "accumulate") if configuration.model.whole_batch else ():
        if (getattr(configuration.train, name) or 1) > 1:
            text = f"batch norm in {configuration.host} takes its statistics from a whole batch; set {name} to 1"
            yield ("train", name), text
    if (kept := configuration.evaluate.low_pass) is not None and kept > (frames := configuration.model.frames):
        yield ("evaluate", "low_pass"), f"is a count of a window's {frames} frames, got {kept}"
    yield from mode_problems(configuration.name, configuration.model, configuration.train)
