r"""The numbers of tables as LaTeX macros, so that a paper's text and its tables can't drift apart.

A macro is called ``\ablate``, the row's label and the column's key, each word with a capital: ``\ablateHtpMpjpe``. The
names of TeX take letters alone, so digits are spelt out, as is a point or a minus before a digit: those of the row
``htp keep_ratio 0.5`` begin with ``\ablateHtpKeepRatioZeroPointFive``. Of a key ``_mean`` and the unit of an error or a
share are left away; a number from the table of differences has ``Difference`` before it. A spread has the same name and
``Sd``. Where several numbers would be called the same, none is defined, and the page says so.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ablate.quantities import UNITS
from ablate.report.tables import DASH, MINUS, Column, Table

NAME = "macros.tex"
DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
SPELT = {str(digit): word for digit, word in enumerate(DIGITS)} | {".": "Point", "-": "Minus"}

_PARTS = re.compile(r"[A-Za-z]+|\d|(?<=\d)\.(?=\d)|-(?=\d)")
_SUFFIXES = sorted(filter(None, UNITS.values()), key=len, reverse=True)
_SIGNS = str.maketrans({MINUS: r"\ensuremath{-}", "<": r"\ensuremath{<}"})  # these read in text and in formulas


@dataclass(frozen=True)
class Macros:
    """``text`` is the file's, ``count`` says how many it defines, ``clashes`` which names it can't."""

    text: str
    count: int
    clashes: tuple[str, ...]

    @property
    def said(self) -> str:
        """The page's line on them."""
        line = f"These numbers for the text of a paper: [{self.count} LaTeX macros](tables/macros.tex)."
        names = ", ".join(f"`{name}`" for name in self.clashes)
        return f"{line} Not defined, since several numbers would be called so: {names}." if names else line


class _Number(NamedTuple):
    """A number as TeX reads it, the row that it is of, and what it is."""

    name: str
    value: str
    label: str
    what: str


def macro_name(label: str, key: str) -> str:
    r"""``\ablateHtpMpjpe`` of the row ``htp`` and the column ``mpjpe_mean_mm``."""
    words = (SPELT.get(part, part[:1].upper() + part[1:]) for part in _PARTS.findall(f"{label} {_quantity(key)}"))
    return rf"\ablate{''.join(words)}"


def macros(tables: Sequence[Table]) -> Macros:
    """A macro for every number of ``tables``, row by row; what is missing in a table has none."""
    numbers = [number for table in tables for column in table.columns for number in _numbers(table, column)]
    rows = {label: place for place, label in enumerate(dict.fromkeys(number.label for number in numbers))}
    found: dict[str, list[_Number]] = defaultdict(list)
    for number in sorted(numbers, key=lambda number: rows[number.label]):
        found[number.name].append(number)
    clashes = [name for name, alike in found.items() if len(alike) > 1]
    lines = [f"% The numbers of {' and '.join(f'{table.name}.tex' for table in tables)}, rounded as they are there."]
    lines += [f"% {name} is not defined: {'; '.join(number.what for number in found[name])}" for name in clashes]
    lines += [
        rf"\newcommand{{{name}}}{{{only.value}}}% {only.what}" for name, (only, *others) in found.items() if not others
    ]
    return Macros("\n".join(lines) + "\n", len(found) - len(clashes), tuple(clashes))


def _quantity(key: str) -> str:
    """A column's key without ``_mean`` and an error's unit."""
    plain = key.replace("_mean_", "_")
    return next((plain.removesuffix(suffix) for suffix in _SUFFIXES if plain.endswith(suffix)), plain)


def _numbers(table: Table, column: Column) -> Iterator[_Number]:
    """Each value of a column, and its spread."""
    of_difference = table.name == "differences" and not column.key.startswith("difference")
    key = f"difference_{column.key}" if of_difference else column.key
    for label, text in zip(map(str, column.mean.index), replace(column, std=None).texts(), strict=True):
        if text == DASH:
            continue
        name, what = macro_name(label, key), " ".join(f"{label}: {column.title}".split())
        yield _Number(name, text.translate(_SIGNS), label, what)
        if column.std is not None and not math.isnan(std := float(column.std[label])):
            yield _Number(f"{name}Sd", f"{std:.{column.digits}f}", label, what)
