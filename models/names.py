"""Names, and what they stand for: plain dicts, whose things are imported when they are used. No torch here."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Later:
    """What stands at ``module:name``, imported when it is first called: so listing names stays instant."""

    place: str

    @property
    def itself(self) -> Any:
        module, name = self.place.split(":")
        return getattr(import_module(module), name)

    @property
    def docstring(self) -> str:
        """What its docstring says; read from its file, so that nothing is imported to tell it."""
        module, name = self.place.split(":")
        found = find_spec(module)
        assert found is not None
        assert found.origin is not None
        body = ast.parse(Path(found.origin).read_text(encoding="utf-8")).body
        kinds = ast.FunctionDef | ast.ClassDef
        return next(ast.get_docstring(node) or "" for node in body if isinstance(node, kinds) and node.name == name)

    def __call__(self, *given: Any) -> Any:
        return self.itself(*given)


class Names:
    """Marks a text as one of the names in ``known``, to which plugins may add, or of those that ``only`` admits."""

    def __init__(self, known: Mapping[str, Any], only: Callable[[Any], bool] = lambda thing: True) -> None:
        self._all, self._only = known, only

    @property
    def known(self) -> list[str]:
        """The names as they stand now."""
        return [name for name, thing in self._all.items() if self._only(thing)]

    def problem(self, name: str) -> str | None:
        """What is wrong with ``name``; None where it is known."""
        if name in self.known:
            return None
        near = get_close_matches(name, self.known, n=1, cutoff=0.5)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        return f"must be one of {', '.join(self.known)}, got {name!r}{hint}"

    def __get_pydantic_json_schema__(self, schema: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """For editors: the schema of study files lists what is known when it is asked for."""
        return {**handler(schema), "enum": self.known}
