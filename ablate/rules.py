"""The rules that join several keys of a study's file, each with its place and its mend."""

import itertools
from collections.abc import Callable, Iterator, Mapping

from ablate.quantities import CLOSED, Constraint, parse_constraint, problem
from ablate.schema import MOST, Range, StudyFile, Values
from ablate.source import Loc

Place = Callable[[Loc, bool], str]  # (where, whether its key is meant) -> file:line:column

FRONT = ("validation_mpjpe_mm", "inference_gmacs")  # what pruning goes by
LEARNERS = ("tpe", "nsga2", "nsga3", "gp")  # samplers that look at results, and so at measured bounds


def rules(file: StudyFile, place: Place) -> Iterator[str]:
    """One line a broken rule."""
    yield from _design(file, place)
    yield from _components(file, place)
    yield from _ranges(file, place)
    yield from _numbers(file, place)
    yield from _prune(file, place)
    for path, text in file.report.problems():
        yield f"{place(('report', *path), False)}: {'.'.join(('report', *path))}: {text}"
    if file.model.name in file.variants:  # type: ignore[attr-defined]
        yield f"{place(('variants', file.model.name), True)}: this is the sweep's own name; call the variant another"  # type: ignore[attr-defined]
    if len(set(file.seeds)) < len(file.seeds):
        yield f"{place(('seeds',), False)}: a seed is given twice"


def _design(file: StudyFile, place: Place) -> Iterator[str]:
    if file.sampler is not None:
        if "design" in file.model_fields_set:
            yield f"{place(('sampler',), True)}: give a design or a sampler, not both"
        if not file.sweep:
            yield f"{place(('sampler',), True)}: there is no `sweep` to search"
        if file.trials is None:
            yield f"{place(('sampler',), True)}: needs `trials`, how many pairs of a configuration and a seed to try"
        return
    if file.design == "random":
        if file.trials is None:
            yield f"{place(('design',), True)}: needs `trials`, how many configurations to draw"
    elif file.trials is not None:
        yield f"{place(('trials',), True)}: {_called(file.design)} runs all its cells, so it takes no `trials`"
    if file.design == "one_factor" and not file.sweep:
        yield f"{place(('design',), True)}: there is no `sweep` to change one path of"
    if "objectives" in file.model_fields_set:
        yield f"{place(('objectives',), True)}: only a sampler has objectives; leave them out, or give a `sampler`"


def _called(design: str) -> str:
    return "a grid" if design == "grid" else f"`design: {design}`"


def _components(file: StudyFile, place: Place) -> Iterator[str]:
    if file.components is None:
        if file.design == "components":
            yield f"{place(('design',), True)}: needs `components`, with a `plan` and what runs `without` each"
        return
    if file.design != "components" or file.sampler is not None:
        yield f"{place(('components',), True)}: only `design: components` reads these; give that, or drop them"
    if file.sweep:
        yield f"{place(('sweep',), True)}: components are taken out of one base; sweep in a variant, or drop either"
    for one, other in itertools.combinations(file.components.without, 2):
        for mine, theirs in itertools.product(file.components.without[one], file.components.without[other]):
            if f"{mine}.".startswith(f"{theirs}.") or f"{theirs}.".startswith(f"{mine}."):
                at = place(("components", "without", other, theirs), True)
                yield f"{at}: '{one}' sets {mine} as well, so they can't be out together; make them one component"


def _ranges(file: StudyFile, place: Place) -> Iterator[str]:
    sweeps: dict[Loc, Mapping[str, Values]] = {("sweep",): file.sweep}
    sweeps |= {("variants", name, "sweep"): variant.sweep for name, variant in file.variants.items()}
    for at, sweep in sweeps.items():
        searched = file.sampler is not None and at == ("sweep",)
        for path, values in sweep.items():
            if isinstance(values, Range):
                for text in _range(values, searched):
                    yield f"{place((*at, path), True)}: {text}"


def _range(values: Range, searched: bool) -> Iterator[str]:
    if not values.low < values.high:
        yield f"low must lie below high, got {values.low:g} and {values.high:g}"
    if values.step is not None and values.step <= 0:
        yield f"step must be positive, got {values.step:g}"
    if values.step is not None and values.step > 0 and values.low <= values.high and values.count is None:
        yield f"lists more than {MOST:,} values; make the step larger"
    if values.step is not None and (values.low, values.step) != (round(values.low, 10), round(values.step, 10)):
        yield "low and step are counted to ten decimals; give a list of finer values"
    if values.step is None and not searched:
        yield "give a list or a step; only a sampler searches a continuum"
    if values.log and values.step is not None:
        yield "log and step exclude each other; give a list of the values"
    if values.log and values.low <= 0:
        yield f"a log range starts above zero, got {values.low:g}"


def _numbers(file: StudyFile, place: Place) -> Iterator[str]:
    """Objectives and constraints: known numbers, each once, and bounds that somebody can keep to."""
    for i, name in enumerate(file.objectives):
        text = problem(name, file.measure, file.data.name) or ("given twice" if name in file.objectives[:i] else None)
        if text:
            yield f"{place(('objectives', i), False)}: {text}"
    seen: set[Constraint] = set()
    for i, written in enumerate(file.constraints):
        at = place(("constraints", i), False)
        try:
            constraint = parse_constraint(written)
        except ValueError as error:
            yield f"{at}: '{written}': {error}"
            continue
        text = problem(constraint.name, file.measure, file.data.name) or _unkept(constraint, file)
        if text or constraint in seen:
            yield f"{at}: {text or 'given twice'}"
        seen.add(constraint)


def _unkept(constraint: Constraint, file: StudyFile) -> str | None:
    """Why nobody can keep to this bound."""
    if constraint.known or file.sampler in LEARNERS:
        return None
    who = f"{file.sampler} looks at no result" if file.sampler else "a plan is made before anything is measured"
    return f"{who}, so it can't keep to {constraint.name}; bound one of {', '.join(CLOSED)}, or use {_or(LEARNERS)}"


def _prune(file: StudyFile, place: Place) -> Iterator[str]:
    """Pruning knows one front, and each training's trials from the start."""
    if file.prune is None:
        return
    for path, text in file.prune.problems():
        yield f"{place(('prune', *path), False)}: {'.'.join(('prune', *path))}: {text}"
    at = f"{place(('prune',), True)}: prune"
    if file.train.mode != "each":
        text = "training serves every ratio, so none is ever stopped; set train.mode to each"
        yield f"{at}: one {file.train.mode} {text}"
    if not set(file.objectives) <= set(FRONT):
        yield f"{at}: goes by {' and '.join(FRONT)}, and so must the objectives; drop the others, or `prune`"
    if (file.report.metric, file.report.compute) != ("mpjpe", "inference_gmacs"):
        yield f"{at}: goes by mpjpe over inference_gmacs, and so must the report; set that there, or drop `prune`"
    searched = [path for path in file.sweep if path.startswith("evaluate.")] if file.sampler else []
    if searched:
        yield (
            f"{at}: a training is stopped for all that is evaluated from it, and what {file.sampler} will propose for "
            f"{searched[0]} is not known by then; sweep it in a design, or drop `prune`"
        )


def _or(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
