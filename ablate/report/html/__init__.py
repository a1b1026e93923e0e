"""``report.html``: the whole report as one file that asks the network for nothing.

A template, one style sheet and a few short scripts are filled with the report's tables, figures and numbers; d3 draws.
Everything that a study's author typed is escaped, and the page's own policy lets no other script or address in.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablate.report.claims import Verdict
    from ablate.report.figures.material import Material
    from ablate.report.figures.style import Picture
    from ablate.report.tables import Table

# Figures are carried up to so many characters, and linked beyond.
ROOM = 1_000_000

SCRIPTS = ("dom.js", "sample.js", "chart.js", "tables.js", "main.js")

BARS = "Bars are one standard deviation over seeds; of differences, 95 % intervals."
LINE = (
    "The line is the front of the points that are shown, where both axes have a better end; points off it are pale."
    " Oracles look at the ground truth and can't be had in use."
)


def html(
    m: "Material",
    tables: "Sequence[Table]",
    pictures: "Sequence[Picture]",
    verdicts: "Sequence[Verdict]",
    below: Sequence[str],
    folder: Path,
) -> str:
    """The page; it says what report.md says. ``below`` stands under the main table, the files of ``pictures`` lie in
    ``folder``."""
    from ablate.report import page

    front = next((picture for picture in pictures if picture.name == "pareto"), None)
    main, *others = map(_table, tables)
    template: str = (
        _environment()
        .get_template("page.html")
        .render(
            about=m.about,
            status=page.status(m.records, m.about),
            verdicts=verdicts,
            front=front.caption if front else "",
            bars=BARS,
            line=LINE,
            reading=page.reading(m.frame, m.about),
            main=main,
            below=below,
            others=others,
            figures=list(_figures([picture for picture in pictures if picture is not front], folder)),
            judged=page.judged(m.records, m.about),
            warnings=page.uncommitted(m.records),
            provenance=page.provenance(m.records),
            data=_embedded(_data(m)),
            style=_text("page.css"),
            scripts=_scripts(),
        )
    )
    return template


def _data(m: "Material") -> dict[str, Any]:
    from ablate.report.html.chart import chart
    from ablate.report.html.sample import sample

    front = sorted(m.front, key=m.labels.index)
    return chart(m) | {"sample": sample(m.first, [m.about.baseline, *front])}


def _table(table: "Table") -> dict[str, Any]:
    """A table as its heads and rows of finished cells."""
    from markupsafe import Markup

    forms = {
        "": Markup('<td class="number">{}</td>'),
        "best": Markup('<td class="number best"><strong>{}</strong></td>'),
    }
    row_head, other_head = Markup('<th scope="row">{}</th>'), Markup("<td>{}</td>")
    named = table.heads.shape[1]
    texts, marks = table.texts(), table.marked({mark: mark for mark in forms})
    rows = []
    for cells, looks in zip(texts.itertuples(index=False), marks.itertuples(index=False), strict=True):
        made = [row_head.format(cells[0]), *(other_head.format(text) for text in cells[1:named])]
        made += [forms[look].format(text) for text, look in zip(cells[named:], looks[named:], strict=True)]
        rows.append(made)
    return {
        "name": table.name,
        "caption": table.caption,
        "notes": " ".join(table.notes),
        "heads": [{"title": title, "number": i >= named} for i, title in enumerate(texts.columns)],
        "rows": rows,
    }


def _figures(pictures: "Sequence[Picture]", folder: Path) -> Iterator[dict[str, Any]]:
    """Each figure with its PNG as text, while there is room, and the files of it that lie beside the page."""
    room = ROOM
    for picture in pictures:
        content = base64.b64encode((folder / f"{picture.name}.png").read_bytes()).decode("ascii")
        fits = len(content) <= room
        room -= len(content) if fits else 0
        endings = ("png", "pdf") if picture.moving is None else ("png", "pdf", "gif")
        yield {
            "title": picture.title,
            "caption": picture.caption,
            "files": [f"figures/{picture.name}.{ending}" for ending in endings],
            "source": f"data:image/png;base64,{content}" if fits else "",
        }


def _scripts() -> tuple[str, str]:
    """The library with its licence, and the page's own, which leaves no name behind."""
    own = "\n".join(map(_text, SCRIPTS))
    return f"/*\n{_text('d3.LICENSE.txt')}*/\n{_text('d3.min.js')}", f"(() => {{\n'use strict';\n{own}\n}})();\n"


def _embedded(data: Any) -> str:
    """JSON that no reader of HTML mistakes for anything else."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _digest(text: str) -> str:
    """How a page's policy names a script or style that may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _inline(text: str) -> Any:
    """Our own sentences, as they are written for report.md: stress, code, and links to files of the report."""
    from markupsafe import Markup, escape

    said = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(text)))
    said = re.sub(r"`([^`]+)`", r"<code>\1</code>", said)
    return Markup(re.sub(r"\[([^][]+)\]\(((?:tables|figures)/\w+\.\w+)\)", r'<a href="\2">\1</a>', said))


@cache
def _text(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


@cache
def _environment() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"digest": _digest, "inline": _inline}
    return environment
