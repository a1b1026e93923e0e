"""A study: one question, asked as a set of configurations; how a file becomes one, and what it assigns.

``load`` reports every problem of a file at once, each with ``file:line:column`` and the nearest valid name.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablate.errors import StudyError
from ablate.problems import describe
from ablate.schema import Configuration, Range, StudyFile, Values, put, resolve, semantic_problems
from ablate.source import Loc, Source, find_study, parse_value, read

Place = Callable[[Loc, bool], str]


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
        """The group of the study's own sweep: the model's name."""
        return str(self.file.model.name)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Assignment:
    """One cell before it is resolved: swept values by path, the fixed settings of its variant, where each was written.

    ``group`` is the variant's name, or the model's for the study's own sweep.
    """

    group: str
    params: Mapping[str, Any]
    fixed: Mapping[str, Any]
    places: Mapping[str, Loc]

    def resolve(self, base: Mapping[str, Any]) -> Configuration:
        """The configuration this stands for. Raises pydantic's ValidationError."""
        raw = base
        for path, value in (*self.fixed.items(), *self.params.items()):
            raw = put(raw, path, value)
        return resolve(raw)


def sweep_values(values: Values) -> list[Any]:
    """The values a grid visits; of a continuum only its ends."""
    return list(values.values) if isinstance(values, Range) else list(values)


def assignments(study: Study) -> Iterator[Assignment]:
    """Every cell of the study's own sweep as a grid, then each variant's, in the file's order."""
    sweeps: list[tuple[str, Mapping[str, Any], Mapping[str, Values], Loc]] = [(study.group, {}, study.file.sweep, ())]
    sweeps += [(name, v.set, v.sweep, ("variants", name)) for name, v in study.file.variants.items()]
    for group, fixed, sweep, at in sweeps:
        places: dict[str, Loc] = {path: (*at, "set", path) for path in fixed}
        for picks in itertools.product(*(list(enumerate(sweep_values(v))) for v in sweep.values())):
            params = {path: value for path, (_, value) in zip(sweep, picks, strict=True)}
            where = {
                path: (*at, "sweep", path, *(() if isinstance(sweep[path], Range) else (index,)))
                for path, (index, _) in zip(sweep, picks, strict=True)
            }
            yield Assignment(group, params, fixed, places | where)


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """``path=value`` texts of ``--set`` as a mapping. Raises StudyError for one without a path."""
    bad = [s for s in settings if "=" not in s or not s.partition("=")[0]]
    if bad:
        raise StudyError([f"--set {s}: write it as path=value, for instance train.epochs=5" for s in bad])
    return {path: parse_value(value) for path, _, value in (s.partition("=") for s in settings)}


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

    try:
        file = StudyFile.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        raise StudyError(describe(error, StudyFile, place)) from error
    study = Study(file, raw, source)
    problems = dict.fromkeys([*_rules(file, place), *_cell_problems(study, place)])
    if problems:
        raise StudyError(list(problems))
    return study


def _rules(file: StudyFile, place: Place) -> Iterator[str]:
    """Rules that join several keys of the file."""
    if file.sampler is not None and "design" in file.model_fields_set:
        yield f"{place(('sampler',), True)}: give a design or a sampler, not both"
    drawn = "sampler" if file.sampler else "design"
    if (file.sampler is not None or file.design == "random") and file.trials is None:
        yield f"{place((drawn,), True)}: needs `trials`, how many configurations to draw"
    if file.sampler is None:
        if file.design == "grid" and file.trials is not None:
            yield f"{place(('trials',), True)}: a grid runs all its cells, so it takes no `trials`"
        sweeps = {("sweep",): file.sweep} | {("variants", n, "sweep"): v.sweep for n, v in file.variants.items()}
        for at, sweep in sweeps.items():
            for path, values in sweep.items():
                if isinstance(values, Range) and values.step is None:
                    yield f"{place((*at, path), True)}: give a list or a step; only a sampler searches a continuum"
    if file.sampler is not None and not file.sweep:
        yield f"{place(('sampler',), True)}: there is no `sweep` to search"
    if file.model.name in file.variants:  # type: ignore[attr-defined]
        yield f"{place(('variants', file.model.name), True)}: this is the sweep's own name; call the variant another"  # type: ignore[attr-defined]
    if len(set(file.seeds)) < len(file.seeds):
        yield f"{place(('seeds',), False)}: a seed is given twice"


def _cell_problems(study: Study, place: Place) -> Iterator[str]:
    """Resolve every cell and say what is wrong with it, where its value was written."""
    for cell in assignments(study):

        def cell_place(loc: Loc, key: bool, places: Mapping[str, Loc] = cell.places) -> str:
            dotted = ".".join(map(str, loc))
            above = [p for p in places if dotted == p or dotted.startswith(f"{p}.")]
            below = [p for p in places if key and p.startswith(f"{dotted}.")]  # an unknown name inside a swept path
            if not above + below:
                return place(loc, key)
            at = places[max(above + below, key=len)]
            on_key = key and (bool(below) or dotted in above)
            return place(at[:-1] if on_key and isinstance(at[-1], int) else at, on_key)

        try:
            configuration = cell.resolve(study.base)
        except ValidationError as error:
            yield from describe(error, Configuration, cell_place)
        else:
            for loc, text in semantic_problems(configuration):
                yield f"{cell_place(loc, False)}: {'.'.join(map(str, loc))}: {text}"
