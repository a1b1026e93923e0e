"""A study's YAML text as plain values that remember where they stood.

YAML 1.2 through ruamel: ``3e-4`` is a number, ``no`` is a string, a key given twice is refused, tags never run code.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.errors import InputError, StudyError
from ablate.nearest import nearest

Loc = tuple[str | int, ...]


@dataclass(frozen=True)
class Source:
    """A parsed file: ``values`` in plain Python types, and ``place`` to find where a value was written."""

    path: str
    text: str
    values: dict[str, Any]
    _nodes: Any

    def place(self, loc: Loc, *, key: bool = False) -> str:
        """``file:line:column`` of the value (or, with ``key``, of the key) at ``loc``, or of its nearest parent."""
        node, line, column = self._nodes, 0, 0
        for i, part in enumerate(loc):
            try:
                # ruamel keeps [line, column] for an item, and [key line, key column, value line, value column]
                # for a key
                found = node.lc.data[part]
                node = node[part]
            except (KeyError, IndexError, TypeError, AttributeError):
                break
            line, column = found[:2] if len(found) == 2 or (key and i == len(loc) - 1) else found[2:4]
        return f"{self.path}:{line + 1}:{column + 1}"


def find_study(name: str) -> Path:
    """A study's file: a path, or the name of one that travels with the package. Raises InputError."""
    path = Path(name)
    if path.is_file():
        return path
    package = Path(__file__).parent
    installed = package / "studies"  # in a checkout they lie beside the package instead
    shipped = installed if installed.is_dir() else package.parent / "studies"
    stems = {p.stem: p for p in sorted(shipped.glob("*.yaml"))}
    if path.stem in stems and name in (path.stem, f"{path.stem}.yaml", f"studies/{path.stem}.yaml"):
        return stems[path.stem]
    raise InputError(f"{name}: no such study file; the shipped studies are {', '.join(stems)}{nearest(name, stems)}")


def read(path: Path) -> Source:
    """Parse a YAML mapping. Raises StudyError with ``file:line:column`` for anything that isn't one."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from error


def parse(text: str, path: str) -> Source:
    """As ``read``, from text."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        nodes = YAML(typ="rt", pure=True).load(text)
    except DuplicateKeyError as error:
        mark = error.problem_mark
        key = str(error.problem).split('"')[1]
        raise StudyError([f"{path}:{mark.line + 1}:{mark.column + 1}: key '{key}' is given twice"]) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
        raise StudyError([f"{where}: not valid YAML: {error.problem}"]) from error
    except YAMLError as error:
        raise StudyError([f"{path}: not valid YAML: {error}"]) from error
    if not isinstance(nodes, CommentedMap):
        raise StudyError([f"{path}:1:1: a study is a mapping of keys to values, and this file is not"])
    return Source(path, text, plain(nodes), nodes)


def parse_value(text: str) -> Any:
    """One value as YAML reads it, for ``--set path=value``; text that isn't valid YAML stays text."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return plain(YAML(typ="rt", pure=True).load(text))
    except YAMLError:
        return text


def plain(value: Any) -> Any:
    """ruamel's round-trip values as JSON-like ones; what JSON has no word for (dates, tags) becomes its text."""
    return json.loads(json.dumps(value, default=str))
