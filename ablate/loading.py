"""A study: one question, asked as a set of configurations; how a file becomes one.

``load`` reports every problem of a file at once, each with ``file:line:column`` and the nearest valid name.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablate import design
from ablate.claims import Claim, claim_problems, parse_claim
from ablate.design import Assignment
from ablate.errors import StudyError
from ablate.problems import describe
from ablate.quantities import Constraint, parse_constraint
from ablate.rules import Place, rules
from ablate.schema import Configuration, StudyFile, configuration_type, put, resolve, semantic_problems, study_file
from ablate.source import Loc, Source, find_study, parse_value, read


@dataclass(frozen=True)
class Study:
    """A valid study: the checked file, and its base as raw values that sweeps and variants are applied to."""

    file: StudyFile
    base: Mapping[str, Any]
    source: Source

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def group(self) -> str:
        """The group of the study's own cells: the model's name."""
        return design.group_of(self.file)

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        return tuple(map(parse_constraint, self.file.constraints))

    @property
    def claims(self) -> tuple[Claim, ...]:
        return tuple(map(parse_claim, self.file.claims))

    def planned(self) -> Iterator[Assignment]:
        """Every cell that is known before anything has run, the study's own first."""
        return design.planned(self.file, self.base)


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """``path=value`` texts of ``--set`` as a mapping. Raises StudyError for one without a path."""
    bad = [s for s in settings if "=" not in s or not s.partition("=")[0]]
    if bad:
        raise StudyError([f"--set {s}: write it as path=value, for instance train.epochs=5" for s in bad])
    return {path: parse_value(value) for path, _, value in (s.partition("=") for s in settings)}


def complete(raw: Mapping[str, Any], settings: Sequence[str], origin: Callable[[str], str]) -> Configuration:
    """A single configuration that no study holds: ``raw`` sections, with ``path=value`` texts laid over them.

    ``origin`` tells where the value at a dotted path is from that no text gave. Raises StudyError with every problem.
    """
    given = parse_settings(settings)
    if bad := [path for path in given if path.partition(".")[0] not in raw or "." not in path]:
        starts = ", ".join(f"{section}." for section in raw)
        text = f"is no setting here; those of this command start with {starts}"
        raise StudyError([f"--set {path}: {text}" for path in bad])
    for path, value in given.items():
        raw = put(raw, path, value)

    def place(loc: Loc, key: bool = False) -> str:
        dotted = ".".join(map(str, loc))
        by = next((path for path in given if dotted == path or dotted.startswith(f"{path}.")), None)
        return origin(dotted) if by is None else f"--set {by}"

    try:
        configuration = resolve(raw)
    except ValidationError as error:
        raise StudyError(describe(error, configuration_type(raw), place)) from error
    problems = [f"{place(loc)}: {'.'.join(map(str, loc))}: {text}" for loc, text in semantic_problems(configuration)]
    if problems:
        raise StudyError(problems)
    return configuration


def load(name: str | Path, settings: Sequence[str] = ()) -> Study:
    """Read, check and complete a study. Raises StudyError with every problem found, or InputError."""
    return check(read(find_study(str(name))), parse_settings(settings))


def check(source: Source, settings: Mapping[str, Any] | None = None) -> Study:
    """As ``load``, from a parsed source. ``settings`` override values by dotted path."""
    raw: Mapping[str, Any] = source.values
    for path, value in (settings or {}).items():
        raw = put(raw, path, value)

    def place(loc: Loc, key: bool) -> str:
        dotted = ".".join(map(str, loc))
        given = next((p for p in settings or {} if dotted == p or dotted.startswith(f"{p}.")), None)
        return f"--set {given}" if given else source.place(loc, key=key)

    schema = study_file(raw)
    try:
        file = schema.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        raise StudyError(describe(error, schema, place)) from error
    problems = dict.fromkeys([*rules(file, place), *_cell_problems(file, raw, place), *_claims(file, raw, place)])
    if problems:
        raise StudyError(list(problems))
    return Study(file, raw, source)


def _claims(file: StudyFile, base: Mapping[str, Any], place: Place) -> Iterator[str]:
    """What is wrong with the study's claims, as sentences and in the rows and numbers that they name."""
    rows = list(design.checked(file, base)) if file.claims else []
    open_group = None if file.sampler is None else design.group_of(file)
    for i, text in enumerate(file.claims):
        at = place(("claims", i), False)
        try:
            claim = parse_claim(text)
        except ValueError as error:
            yield f"{at}: '{text}': {error}"
            continue
        yield from (f"{at}: '{text}': {problem}" for problem in claim_problems(claim, file, rows, open_group))
        if text in file.claims[:i]:
            yield f"{at}: '{text}': given twice"


def _cell_problems(file: StudyFile, base: Mapping[str, Any], place: Place) -> Iterator[str]:
    """Resolve every cell and say what is wrong with it, where its value was written."""
    told: set[str] = set()
    for cell in design.checked(file, base):

        def cell_place(loc: Loc, key: bool, places: Mapping[str, Loc] = cell.places) -> str:
            dotted = ".".join(map(str, loc))
            above = [p for p in places if dotted == p or dotted.startswith(f"{p}.")]
            below = [p for p in places if key and p.startswith(f"{dotted}.")]  # an unknown name inside a swept path
            if not above + below:
                return place(loc, key)
            at = places[max(above + below, key=len)]
            on_key = key and (bool(below) or dotted in above)
            return place(at[:-1] if on_key and isinstance(at[-1], int) else at, on_key)

        raw = cell.applied(base)
        try:
            configuration = resolve(raw)
        except ValidationError as error:
            lines = describe(error, configuration_type(raw), cell_place)
        else:
            lines = [
                f"{cell_place(loc, False)}: {'.'.join(map(str, loc))}: {text}"
                for loc, text in (*semantic_problems(configuration), *_unlike(configuration, file))
            ]
        # What is left may be wrong only because of what is out, and its own line does not show that.
        where = f" (in '{cell.label}')" if file.components is not None and cell.settings else ""
        yield from (f"{line}{where}" for line in lines if line not in told)
        told.update(lines)


def _unlike(configuration: Configuration, file: StudyFile) -> Iterator[tuple[Loc, str]]:
    """What can't differ between the rows of one study."""
    if configuration.evaluate.protocol != file.evaluate.protocol:
        text = "errors under two protocols can't be compared, and every evaluation holds both; set it once for all rows"
        yield ("evaluate", "protocol"), text
