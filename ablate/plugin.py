"""Plugins: models, policies and datasets of a plain Python file outside this package.

Such a file declares dicts at module level, as the package's own lists are written:

    MODELS = {"name": models.Entry(...)}        see models/__init__.py
    POLICIES = {"name": function}               see models/pruning/config.py
    DATASETS = {"name": function}               see ablate/data/config.py

It runs, so only a person can name it, on the command line or from Python, and never a study's file. What was read is
what is run and hashed, here and in every worker, whatever becomes of the file; whoever uses one of its names has the
hash in his keys.
"""

import hashlib
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from ablate.data.config import DATASETS
from ablate.errors import InputError
from ablate.provenance import PLUGINS
from models import MODELS, Entry
from models.config import Host
from models.pruning.config import POLICIES, ByTokens

KINDS: Mapping[str, dict[str, Any]] = {"MODELS": MODELS, "POLICIES": POLICIES, "DATASETS": DATASETS}


@dataclass(frozen=True)
class Plugin:
    """A file as it was when it was read."""

    path: str
    content: bytes

    @cached_property
    def digest(self) -> str:
        """sha256 of the content."""
        return hashlib.sha256(self.content).hexdigest()

    def load(self) -> None:
        """Run the file and take its names in; nothing happens where the same content was loaded before.

        Raises InputError, with nothing taken in, for a file that fails, declares nothing, or declares what won't do.
        """
        if any(plugin.digest == self.digest for plugin in loaded()):
            return
        given = {kind: names for kind, names in self._run().items() if names}
        if not given:
            raise InputError(f"{self.path}: declares no {', '.join(KINDS)}: give one of them, a dict of names")
        problems = list(self._problems(given))
        if problems:
            raise InputError("\n".join(problems))
        for kind, names in given.items():
            KINDS[kind].update(names)
            _OWNERS.update({(kind, name): self for name in names})
        PLUGINS.append(f"{Path(self.path).name} {self.digest[:8]}")

    def _run(self) -> dict[str, Any]:
        """What the file declares of each kind. Names that it puts into the package's own dicts are refused: they would
        be in nobody's keys."""
        before = {kind: dict(known) for kind, known in KINDS.items()}
        module = ModuleType(f"ablate_plugin_{self.digest[:12]}")
        module.__file__ = self.path
        sys.modules[module.__name__] = module  # dataclasses look their module up
        try:
            exec(compile(self.content, self.path, "exec", dont_inherit=True), vars(module))
        except (Exception, SystemExit) as error:
            raise InputError(
                f"{self._place(error)}: {type(error).__name__}: {error}; a plugin has to run to its end"
            ) from error
        for kind, known in KINDS.items():
            if known != before[kind]:
                known.clear()
                known.update(before[kind])
                raise InputError(
                    f"{self.path}: changes the package's {kind}; declare a dict of its own, {kind} = {{...}}"
                )
        return {kind: names for kind, known in KINDS.items() if (names := vars(module).get(kind)) is not known}

    def _place(self, error: BaseException) -> str:
        """``file:line`` of the last line of the plugin that an error went through."""
        lines: list[int | None] = [
            f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == self.path
        ]
        if isinstance(error, SyntaxError) and error.filename == self.path:
            lines.append(error.lineno)
        return f"{self.path}:{lines[-1]}" if lines and lines[-1] else self.path

    def _problems(self, given: Mapping[str, Any]) -> Iterator[str]:
        for kind, names in given.items():
            if not isinstance(names, dict) or not all(isinstance(n, str) and n.isidentifier() for n in names):
                yield f"{self.path}: {kind}: must be a dict whose keys are names: letters, digits and _"
                continue
            for name, thing in names.items():
                if text := self._taken(kind, name) or (_misfit(thing, names) if kind == "MODELS" else _uncalled(thing)):
                    yield f"{self.path}: {kind}[{name!r}]: {text}"

    def _taken(self, kind: str, name: str) -> str | None:
        if name not in KINDS[kind]:
            return None
        owner = _OWNERS.get((kind, name))
        if owner is not None and owner.path == self.path:
            return "was loaded before the file was changed; start Python anew"
        return f"is {'one of the package' if owner is None else f'in {owner.path}'} already; choose another name"


def _misfit(entry: Any, names: Mapping[str, Any]) -> str | None:
    """Why a thing can't be a model; ``names`` are those that come with it."""
    if not isinstance(entry, Entry) or not (isinstance(entry.config, type) and issubclass(entry.config, Host)):
        return "must be a models.Entry whose config is one of models/config.py or a class derived from it"
    if wanting := [f.name for f in fields(entry.config) if f.default is MISSING and f.default_factory is MISSING]:
        return f"{entry.config.__name__}.{wanting[0]} needs a default"
    for other in (*MODELS.values(), *names.values()):
        if isinstance(other, Entry) and other.config is entry.config:
            if (other.lifter, other.cost) != (entry.lifter, entry.cost):
                return f"{entry.config.__name__} belongs to another lifter or cost; derive a config of its own from it"
            return None
    return None


def _uncalled(thing: Any) -> str | None:
    return None if callable(thing) or isinstance(thing, ByTokens) else f"must be a function, got {thing!r}"


_OWNERS: dict[tuple[str, str], Plugin] = {}  # by kind and name


def load(path: str | Path) -> None:
    """Read a plugin and take its names in, for this process. Raises InputError."""
    if Path(path).suffix != ".py":
        raise InputError(f"--plugin {path}: a plugin is a Python file, its name ends in .py")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"--plugin {path}: can't be read ({error.strerror}); name a file that is there") from error
    Plugin(str(path), content).load()


def loaded() -> tuple[Plugin, ...]:
    """The plugins of this process, each once."""
    return tuple(dict.fromkeys(_OWNERS.values()))


def digests(content: Any) -> list[str]:
    """The hashes of the plugins that have a name which occurs in ``content`` (nested plain values), sorted."""
    if not _OWNERS:
        return []
    texts = set(_texts(content))
    return sorted({plugin.digest for (_, name), plugin in _OWNERS.items() if name in texts})


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for inner in content.values():
            yield from _texts(inner)
    elif isinstance(content, list | tuple):
        for inner in content:
            yield from _texts(inner)
