"""One table, written three ways: Markdown and LaTeX for people, CSV with full precision for programs.

What is bold is decided in ablate.statistics, once for every form; the caption states the rule.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

MINUS, TIMES, DASH = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"

BREAK = r"\\"

# The text width of a two-column paper at LaTeX's footnotesize and the gap between columns, in characters.
PAGE_WIDTH, GAP = 112, 1.5
# Its height in such lines, less caption and rules, and the characters of a line of notes.
PAGE_LINES, NOTE_WIDTH = 56, 115

# What LaTeX reads as a command, and the signs that tables use.
_LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "±": r"$\pm$",
        "−": "$-$",  # noqa: RUF001
        "×": r"$\times$",  # noqa: RUF001
        "√": r"$\surd$",
        "Σ": r"$\Sigma$",
        "†": r"$^\dagger$",
        "²": r"$^2$",
        "·": r"$\cdot$",
    }
)


def latex(text: object) -> str:
    """``text`` with everything special to LaTeX escaped."""
    return str(text).translate(_LATEX)


def _words(title: object) -> list[str]:
    """A column's head, one part a line: many columns must fit a page."""
    return str(title).replace(".", ". ").split(" ")


def _heading(title: object, side: str) -> str:
    return rf"\shortstack[{side}]{{{BREAK.join(map(latex, _words(title)))}}}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """A quantity of every configuration; ``mean``, ``std`` and ``seeds`` share the table's labels as their index.

    ``std`` None: the value is exact, the same for each seed. ``ranked``: lower is better (``larger``: higher), and the
    labels in ``best`` are bold: the best and what can't be told from it, paired as ``pairing`` says. The spread is
    shown then, or where ``spreads`` says so (it always stands in the CSV). ``signed`` shows a plus sign as well;
    ``least``: below it a number is shown as "<" and that.
    """

    key: str
    title: str
    mean: pd.Series
    seeds: pd.Series
    std: pd.Series | None = None
    digits: int = 2
    ranked: bool = False
    spreads: bool = False
    larger: bool = False
    best: frozenset[str] = frozenset()
    pairing: str = ""
    signed: bool = False
    least: float | None = None

    def texts(self) -> list[str]:
        shown = self.std if self.ranked or self.spreads else None
        spreads = shown if shown is not None else pd.Series(math.nan, index=self.mean.index)
        return [self._text(mean, std) for mean, std in zip(self.mean, spreads, strict=True)]

    def marks(self) -> list[str]:
        """'best' or '' a row."""
        return ["best" if self.ranked and label in self.best else "" for label in self.mean.index]

    def _text(self, mean: float, std: float) -> str:
        if math.isnan(mean):
            return DASH
        if self.least is not None and mean < self.least:
            return f"<{self.least:.{self.digits}f}"
        text = f"{mean:{'+' if self.signed else ''}.{self.digits}f}".replace("-", MINUS)
        return text if math.isnan(std) else f"{text} ± {std:.{self.digits}f}"


def digits(values: pd.Series, significant: int = 4) -> int:
    """Decimals that show the largest of ``values`` with so many significant figures."""
    largest = values.abs().max()
    if not largest > 0:
        return 0
    return max(0, significant - 1 - math.floor(math.log10(largest)))


def noise(std: pd.Series, seeds: pd.Series) -> float:
    """Seed noise: the standard deviation pooled over configurations, sqrt(sum (n-1) s^2 / sum (n-1)); NaN when no
    configuration has two seeds.
    """
    weight = (seeds - 1).where(std.notna(), 0.0)
    return math.sqrt(float((weight * std.fillna(0.0) ** 2).sum() / weight.sum())) if weight.sum() else math.nan


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """``name`` is the files' stem and the LaTeX label. ``heads`` has a row a configuration, its label as the index and
    what tells it from the others in text columns; every column of values has the same index.
    """

    name: str
    caption: str
    notes: Sequence[str]
    heads: pd.DataFrame
    columns: Sequence[Column]

    def texts(self) -> pd.DataFrame:
        """Every cell as people read it."""
        return self._texts

    @cached_property
    def _texts(self) -> pd.DataFrame:
        cells = {column.title: column.texts() for column in self.columns}
        return pd.concat([self.heads, pd.DataFrame(cells, index=self.heads.index, dtype=str)], axis=1)

    def marked(self, forms: Mapping[str, str]) -> pd.DataFrame:
        """For each cell of ``texts`` the form of its mark ('best', '')."""
        marks = pd.DataFrame({c.title: c.marks() for c in self.columns}, index=self.heads.index, dtype=str)
        return marks.reindex(columns=self.texts().columns, fill_value="").map(forms.__getitem__)

    @cached_property
    def _markdown(self) -> str:  # a page and a file both want it, and that of a thousand rows takes its time
        forms = self.marked({"": "{}", "best": "**{}**"})
        texts = self.texts().map(lambda text: text.replace("|", r"\|"))
        cells = forms.combine(texts, lambda form, text: form.combine(text, str.format))
        align = ["left"] * self.heads.shape[1] + ["right"] * len(self.columns)
        body = cells.to_markdown(index=False, disable_numparse=True, colalign=align)
        return "\n\n".join([f"**{self.caption}**", body, " ".join(self.notes)])

    @cached_property
    def _latex(self) -> pd.DataFrame:
        """Each cell as LaTeX sets it: once for all floats of a long table."""
        forms = self.marked({"": "{}", "best": r"\textbf{{{}}}"})
        return forms.combine(self.texts().map(latex), lambda form, text: form.combine(text, str.format))


def markdown(table: Table) -> str:
    """The table with its caption and notes, as Markdown."""
    return table._markdown


def tex(table: Table) -> str:
    """``table*`` of booktabs rules alone; what a study's author typed is escaped. Columns that don't fit the page's
    width go on below, with the heads repeated, and what doesn't fit its height in further floats of the same number.
    """
    floats = _floats(table)
    lines: list[str] = []
    for number, parts in enumerate(floats):
        caption = latex(table.caption) + (" (continued)" if number else "")
        lines += [
            r"\begin{table*}[t]",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            *([r"\addtocounter{table}{-1}"] if number else []),
            rf"\caption{{{caption}}}",
            *([] if number else [rf"\label{{tab:{table.name}}}"]),
            "\n\\par\\medskip\n".join(_tabular(table, titles, rows) for titles, rows in parts),
        ]
        if number == len(floats) - 1:
            lines.append(rf"\par\smallskip\parbox{{\linewidth}}{{{latex(' '.join(table.notes))}}}")
        lines.append(r"\end{table*}")
    return "\n".join(lines) + "\n"


def _floats(table: Table) -> list[list[tuple[list[str], slice]]]:
    """Runs of columns and of rows, as many in a float as a page is high; the notes are to fit below any of them."""
    room = PAGE_LINES - math.ceil(len(" ".join(table.notes)) / NOTE_WIDTH)
    blocks, count = _blocks(table), len(table.heads)
    head = 2 + max(len(_words(title)) for title in table.texts().columns)
    step = max(1, room - head)
    floats: list[list[tuple[list[str], slice]]] = []
    used = math.inf
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        for titles in blocks:
            height = head + rows.stop - rows.start
            if used + height > room:
                floats.append([])
                used = 0
            floats[-1].append((titles, rows))
            used += height
    return floats


def _blocks(table: Table) -> list[list[str]]:
    """The columns' titles, cut into as few runs as the page's width allows."""
    texts = table.texts()
    widths = {
        title: GAP + max(map(_width, [*_words(title), *map(str, texts[title])])) for title in map(str, texts.columns)
    }
    heads = sum(widths[str(title)] for title in table.heads.columns)
    blocks: list[list[str]] = []
    used = math.inf
    for column in table.columns:
        if used + widths[column.title] > PAGE_WIDTH:
            blocks.append([])
            used = heads
        blocks[-1].append(column.title)
        used += widths[column.title]
    return blocks


def _width(text: str) -> float:
    """In characters; capitals take half as much again."""
    return len(text) + sum(sign.isupper() for sign in text) / 2


def _tabular(table: Table, titles: Sequence[str], rows: slice) -> str:
    sides = dict.fromkeys(map(str, table.heads.columns), "l") | dict.fromkeys(titles, "r")
    heads = [_heading(title, side) for title, side in sides.items()]
    lines = [heads, *table._latex[[*sides]].iloc[rows].to_numpy().tolist()]
    head, *body = (f"{' & '.join(cells)} {BREAK}" for cells in lines)
    begin = rf"\begin{{tabular}}{{{''.join(sides.values())}}}"
    return "\n".join([begin, r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"])


def csv(table: Table) -> str:
    """Means and standard deviations as measured, unrounded; a column's name ends in its unit."""
    columns = {"seeds": pd.concat([c.seeds for c in table.columns], axis=1).max(axis=1).astype("Int64")}
    for column in table.columns:
        columns[column.key] = column.mean
        if column.std is not None:
            columns[f"{column.key}_std"] = column.std
    return pd.DataFrame(columns).to_csv(index_label="configuration", lineterminator="\n")


def save(table: Table, folder: Path) -> None:
    """Write ``folder/<name>.md``, ``.tex`` and ``.csv``."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, text in (("md", markdown(table) + "\n"), ("tex", tex(table)), ("csv", csv(table))):
        (folder / f"{table.name}.{suffix}").write_text(text, encoding="utf-8")
