"""pydantic's complaints in this program's words: where, what, and the nearest valid name."""

import dataclasses
import types
import typing
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from ablate.nearest import nearest
from ablate.source import Loc

UNKNOWN = {"extra_forbidden", "unexpected_keyword_argument"}


def fields_of(kind: Any) -> dict[str, Any]:
    """Names and types of a schema class's fields; empty for anything that isn't one."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: f.annotation for name, f in kind.model_fields.items()}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        types_by_name = typing.get_type_hints(kind)
        return {field.name: types_by_name[field.name] for field in dataclasses.fields(kind)}
    return {}


def _classes(kind: Any) -> list[Any]:
    """The schema classes inside an annotation: through Optional, unions, Annotated, and the values of a dict."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _classes(typing.get_args(kind)[0])
    if origin in (typing.Union, types.UnionType, dict):
        return [c for a in typing.get_args(kind) for c in _classes(a)]
    return [kind] if fields_of(kind) else []


def valid_names(root: Any, loc: Loc) -> list[str]:
    """The names that are valid as the last part of ``loc``, found by walking the schema from ``root``."""
    kinds: list[Any] = [root]
    for part in loc[:-1]:
        step = [fields_of(k)[str(part)] for k in kinds if str(part) in fields_of(k)]
        # A part that is no field is a key of a dict: its values' classes are in `kinds` already.
        kinds = [c for k in step for c in _classes(k)] if step else kinds
    return [name for k in kinds for name in fields_of(k)]


def _text(kind: str, loc: Loc, message: str, given: Any, context: dict[str, Any], root: Any) -> str:
    name = str(loc[-1]) if loc else ""
    if kind in UNKNOWN:
        return f"unknown key '{name}'{nearest(name, valid_names(root, loc))}"
    dotted = ".".join(map(str, loc))
    if kind == "missing":
        return f"{dotted}: is required"
    if kind == "literal_error":
        expected = context["expected"]
        choices = [c.strip("' ") for c in expected.replace(" or ", ", ").split(",")]
        return f"{dotted}: must be one of {', '.join(choices)}, got {given!r}{nearest(str(given), choices)}"
    return f"{dotted}: {message[:1].lower()}{message[1:]}, got {given!r}"


def describe(error: ValidationError, root: Any, place: Callable[[Loc, bool], str]) -> list[str]:
    """One line a problem. ``place(loc, key)`` gives ``file:line:column`` of a value, or of its key."""
    lines: dict[str, str] = {}
    for e in error.errors(include_url=False):
        # Unions report each of their branches under a tag of pydantic's own; the value's place is the same.
        loc = tuple(p for p in e["loc"] if not (isinstance(p, str) and ("[" in p or p in ("int", "float", "Range"))))
        text = _text(e["type"], loc, e["msg"], e["input"], e.get("ctx", {}), root)
        lines.setdefault(".".join(map(str, loc)), f"{place(loc, e['type'] in UNKNOWN)}: {text}")
    return list(lines.values())
