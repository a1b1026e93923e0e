"""One table, written three ways: Markdown and LaTeX for people, CSV with full precision for programs.

What is bold or underlined is decided here once, from means, spreads and seeds, and the caption states the rule.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

MINUS, TIMES, DASH = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"

BREAK = r"\\"

# The text width of a two-column paper at LaTeX's footnotesize and the gap between columns, in characters.
PAGE_WIDTH, GAP = 112, 1.5

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
    best are marked. The spread is shown then, or where ``spreads`` says so (it always stands in the CSV).
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

    def texts(self) -> list[str]:
        shown = self.std if self.ranked or self.spreads else None
        spreads = shown if shown is not None else pd.Series(math.nan, index=self.mean.index)
        return [self._text(mean, std) for mean, std in zip(self.mean, spreads, strict=True)]

    def _text(self, mean: float, std: float) -> str:
        if math.isnan(mean):
            return DASH
        text = f"{mean:.{self.digits}f}".replace("-", MINUS)
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


def ranks(column: Column) -> list[str]:
    """'best', 'second' or '' a row: the lowest mean and all that exceed it by less than the seed noise are best; of
    the others, the lowest and those equally near to it are second. All '' where a row rests on one seed. Where larger
    is better, the highest and those below it.
    """
    marks = pd.Series("", index=column.mean.index)
    measured = (-column.mean if column.larger else column.mean).dropna()
    if column.std is None or measured.empty or (column.seeds[measured.index] < 2).any():
        return list(marks)
    margin = noise(column.std, column.seeds)
    for mark in ("best", "second"):
        left = measured[marks[measured.index] == ""]
        if not left.empty:
            marks[left.index[(left == left.min()) | (left - left.min() < margin)]] = mark
    return list(marks)


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
        cells = {column.title: column.texts() for column in self.columns}
        return pd.concat([self.heads, pd.DataFrame(cells, index=self.heads.index, dtype=str)], axis=1)

    def marked(self, forms: Mapping[str, str]) -> pd.DataFrame:
        """For each cell of ``texts`` the form of its rank ('best', 'second', '')."""
        ranked = {column.title: ranks(column) for column in self.columns if column.ranked}
        marks = pd.DataFrame(ranked, index=self.heads.index, dtype=str)
        return marks.reindex(columns=self.texts().columns, fill_value="").map(forms.__getitem__)


def markdown(table: Table) -> str:
    """The table with its caption and notes, as Markdown."""
    forms = table.marked({"": "{}", "best": "**{}**", "second": "<u>{}</u>"})
    texts = table.texts().map(lambda text: text.replace("|", r"\|"))
    cells = forms.combine(texts, lambda form, text: form.combine(text, str.format))
    align = ["left"] * table.heads.shape[1] + ["right"] * len(table.columns)
    body = cells.to_markdown(index=False, disable_numparse=True, colalign=align)
    return "\n\n".join([f"**{table.caption}**", body, " ".join(table.notes)])


def tex(table: Table) -> str:
    """A ``table*`` of booktabs rules alone; everything a study's author typed is escaped. Columns that don't fit the
    page go on below, with the heads repeated.
    """
    lines = [
        r"\begin{table*}[t]",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{latex(table.caption)}}}",
        rf"\label{{tab:{table.name}}}",
        "\n\\par\\medskip\n".join(_tabular(table, block) for block in _blocks(table)),
        rf"\par\smallskip\parbox{{\linewidth}}{{{latex(' '.join(table.notes))}}}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def _blocks(table: Table) -> list[list[str]]:
    """The columns' titles, cut into as few runs as the page's width allows."""
    texts = table.texts()
    widths = {
        title: GAP + max(map(len, [*_words(title), *map(str, texts[title])])) for title in map(str, texts.columns)
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


def _tabular(table: Table, titles: Sequence[str]) -> str:
    chosen = [*table.heads.columns, *titles]
    commands = table.marked({"": "", "best": "textbf:--rwrap;", "second": "underline:--rwrap;"})[chosen]
    styler = table.texts()[chosen].style.apply(lambda _: commands, axis=None).hide(axis="index").format(latex)
    sides = dict.fromkeys(table.heads.columns, "l") | dict.fromkeys(titles, "r")
    styler = styler.format_index(lambda title: _heading(title, sides[str(title)]), axis=1)
    return styler.to_latex(hrules=True, column_format="".join(sides.values())).rstrip()


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
