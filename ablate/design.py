"""Which cells a study plans: its design written out as assignments of values to paths, in the file's order.

Everything here is made from the file alone, so that each process that reads it plans the same cells.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ablate.schema import Components, Configuration, Range, StudyFile, Values, put, resolve
from ablate.sections import told
from ablate.seeds import stream
from ablate.source import Loc

PROBED = 4096  # cells of a searched space that are checked in every combination; of a larger one, value by value

Pick = tuple[int, ...]  # which of its listed values each swept path takes


@dataclass(frozen=True)
class Assignment:
    """One cell before it is resolved.

    ``group`` is the variant's name, or the model's for the study's own cells; ``params`` is what tables show of it,
    ``settings`` what it changes of the base, by path and in this order; ``places`` says where each was written.
    """

    group: str
    label: str
    params: Mapping[str, Any]
    settings: Mapping[str, Any]
    places: Mapping[str, Loc]

    def applied(self, base: Mapping[str, Any]) -> Mapping[str, Any]:
        """The base's raw values with what this changes of them."""
        raw = base
        for path, value in self.settings.items():
            raw = put(raw, path, value)
        return raw

    def resolve(self, base: Mapping[str, Any]) -> Configuration:
        """The configuration this stands for. Raises pydantic's ValidationError."""
        return resolve(self.applied(base))


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """The shortest ending of each dotted path that no other path shares."""
    result = {}
    for path in paths:
        parts = path.split(".")
        endings = (".".join(parts[-n:]) for n in range(1, len(parts) + 1))
        result[path] = next(e for e in endings if sum(p == e or p.endswith(f".{e}") for p in paths) == 1)
    return result


def sweep_values(values: Values) -> list[Any]:
    """The values a grid visits; of a continuum only its ends."""
    return list(values.values) if isinstance(values, Range) else list(values)


def group_of(file: StudyFile) -> str:
    """The group of the study's own cells: the model's name."""
    return str(file.model.name)  # type: ignore[attr-defined]


def swept(file: StudyFile) -> tuple[str, ...]:
    """What tables may show of a cell: every swept path, over the sweep and every variant, and every component."""
    paths = [*file.sweep, *(path for variant in file.variants.values() for path in variant.sweep)]
    return tuple(dict.fromkeys([*paths, *(file.components.without if file.components else ())]))


def planned(file: StudyFile, base: Mapping[str, Any]) -> Iterator[Assignment]:
    """Every cell that is known before anything has run: the design's, then each variant's. A sampler plans none."""
    if file.sampler is None:
        yield from _own(file, base)
    for name, variant in file.variants.items():
        yield from _grid(name, variant.set, variant.sweep, ("variants", name))


def checked(file: StudyFile, base: Mapping[str, Any]) -> Iterator[Assignment]:
    """As ``planned``, and under a sampler also cells of the space it will search."""
    if file.sampler is not None:
        yield from _grid(group_of(file), {}, file.sweep, (), _probes(file.sweep))
    yield from planned(file, base)


def sampled(file: StudyFile, params: Mapping[str, Any]) -> Assignment:
    """The cell of the searched space with these values of the swept paths, in the file's order."""
    own = {path: params[path] for path in file.sweep}
    label = _label(group_of(file), own, short_names(list(own)))
    return Assignment(group_of(file), label, own, own, {path: ("sweep", path) for path in own})


def _own(file: StudyFile, base: Mapping[str, Any]) -> Iterator[Assignment]:
    if file.design == "one_factor":
        return _one_factor(file, base)
    if file.components is not None:
        return _components(group_of(file), file.components)
    picks = None
    if file.design == "random":
        assert file.trials is not None
        picks = _drawn(file.sweep, file.trials, file.name)
    return _grid(group_of(file), {}, file.sweep, (), picks)


def _label(group: str, params: Mapping[str, Any], names: Mapping[str, str]) -> str:
    return f"{group} {', '.join(f'{names[path]} {_spelt(value)}' for path, value in params.items())}".strip()


def _spelt(value: Any) -> str:
    if isinstance(value, Mapping):
        return told(value)
    return f"{value:.4g}" if isinstance(value, float) else "off" if value is None else str(value)


def _grid(
    group: str,
    fixed: Mapping[str, Any],
    sweep: Mapping[str, Values],
    at: Loc,
    picks: Iterable[Pick] | None = None,
) -> Iterator[Assignment]:
    """The sweep's cells on top of ``fixed``: all of them, or those that ``picks`` names."""
    columns = {path: sweep_values(values) for path, values in sweep.items()}
    names = short_names(list(sweep))
    for pick in itertools.product(*map(range, _sizes(sweep))) if picks is None else picks:
        params = {path: columns[path][index] for path, index in zip(sweep, pick, strict=True)}
        places: dict[str, Loc] = {path: (*at, "set", path) for path in fixed}
        for path, index in zip(sweep, pick, strict=True):
            places[path] = (*at, "sweep", path, *(() if isinstance(sweep[path], Range) else (index,)))
        settings = {path: value for path, value in fixed.items() if path not in params} | params
        yield Assignment(group, _label(group, params, names), params, settings, places)


def _sizes(sweep: Mapping[str, Values]) -> list[int]:
    return [len(sweep_values(values)) for values in sweep.values()]


def _drawn(sweep: Mapping[str, Values], count: int, name: str) -> list[Pick]:
    """So many different cells of the grid, drawn under the study's name, in the grid's order."""
    sizes = _sizes(sweep)
    total = math.prod(sizes)
    chosen = stream(0, "design", name).choice(total, size=min(count, total), replace=False)
    return [_pick(int(index), sizes) for index in sorted(chosen)]


def _pick(index: int, sizes: Sequence[int]) -> Pick:
    """The ``index``-th cell of a grid whose last path changes fastest."""
    pick: list[int] = []
    for size in reversed(sizes):
        index, own = divmod(index, size)
        pick.append(own)
    return tuple(reversed(pick))


def _probes(sweep: Mapping[str, Values]) -> Iterable[Pick]:
    """The cells of a searched space that are worth checking before the search: all of them, or each value once."""
    sizes = _sizes(sweep)
    if math.prod(sizes) <= PROBED:
        return itertools.product(*map(range, sizes))
    corner = [0] * len(sizes)
    single = [(*corner[:i], own, *corner[i + 1 :]) for i, size in enumerate(sizes) for own in range(1, size)]
    return [tuple(corner), *single]


def _one_factor(file: StudyFile, base: Mapping[str, Any]) -> Iterator[Assignment]:
    """The base itself, and each listed value that changes it, one path at a time."""
    group = group_of(file)
    centre = _resolved(base)
    changed: list[Assignment] = []
    at_centre: dict[str, Any] = {path: _value_at(path, file, base, centre) for path in file.sweep}
    names = short_names(list(file.sweep))
    for path, values in file.sweep.items():
        for index, value in enumerate(sweep_values(values)):
            place: Loc = ("sweep", path, *(() if isinstance(values, Range) else (index,)))
            if centre is not None and _resolved(put(base, path, value)) == centre:
                at_centre[path] = value  # as the file spells it
            else:
                label = f"{group} {names[path]} {_spelt(value)}"
                changed.append(Assignment(group, label, {path: value}, {path: value}, {path: place}))
    yield Assignment(group, group, at_centre, {}, {})
    for a in changed:
        yield Assignment(group, a.label, {**at_centre, **a.params}, a.settings, a.places)


def _resolved(raw: Mapping[str, Any]) -> Configuration | None:
    """The configuration, or None where it is wrong: what is wrong is told when the cells are checked."""
    try:
        return resolve(raw)
    except ValidationError:
        return None


def _value_at(path: str, file: StudyFile, base: Mapping[str, Any], centre: Configuration | None) -> Any:
    """What a swept path is at the centre: as written, as resolved, or the file's default."""
    for values in (base, centre.resolved() if centre else {}, file.model_dump(mode="json")):
        found: Any = values
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if found is not None:
            return found
    return None


def _components(group: str, components: Components) -> Iterator[Assignment]:
    """The base with some of its components out, as the plan says."""
    names = list(components.without)
    for inside in _kept(components.plan, names):
        outside = [name for name in names if name not in inside]
        settings: dict[str, Any] = {}
        places: dict[str, Loc] = {}
        for name in outside:
            settings |= components.without[name]
            places |= {path: ("components", "without", name, path) for path in components.without[name]}
        label = _component_label(group, inside, outside, components.plan)
        yield Assignment(group, label, {name: name in inside for name in names}, settings, places)


def _kept(plan: str, names: Sequence[str]) -> Iterator[list[str]]:
    """Which components are in, cell by cell."""
    if plan == "factorial":
        for flags in itertools.product((True, False), repeat=len(names)):
            yield [name for name, flag in zip(names, flags, strict=True) if flag]
    elif plan == "leave_one_out":
        yield list(names)
        yield from ([other for other in names if other != name] for name in names)
    else:
        yield []
        yield from ([name] for name in names)


def _component_label(group: str, inside: Sequence[str], outside: Sequence[str], plan: str) -> str:
    """The row's name by whichever list is shorter, what is in or what is out."""
    if not outside:
        return group
    if not inside:
        return f"{group} with none" if len(outside) > 1 else f"{group} without {outside[0]}"
    if len(outside) < len(inside) or (len(outside) == len(inside) and plan != "add_one_in"):
        return f"{group} without {', '.join(outside)}"
    return f"{group} with {', '.join(inside)} only"
