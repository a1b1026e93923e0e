"""The audit as a table: what its columns are called and what stands in them, for the terminal and for Markdown."""

from collections.abc import Iterator, Sequence

from ablate.audit import Row
from ablate.audit.wording import read_as

TITLE = "Published compute in one convention: GMACs of a window in one pass (H = K = 1, no flip), attention counted"
CAPTION = (
    "zoo: size base in closed form; a window's count is at H hypotheses x K steps x 2 passes of flip averaging,"
    " H = K = 1 where none are published; read as: which multiple of the zoo's linear or of all its MACs is within 1 %"
)
_PUBLISHED = ("method", "frames", "published", "read as", "off", "converted")
_COUNTED = ("zoo linear", "attention", "other", "zoo, one pass", "zoo, a window")
COLUMNS = (*_PUBLISHED, *_COUNTED)
NONE = "-"


def cells(row: Row) -> tuple[str, ...]:
    """A text for each of ``COLUMNS``."""
    return (*_published(row), *_counted(row))


def narrow(rows: Sequence[Row]) -> Iterator[tuple[str, Sequence[str], list[tuple[str, ...]]]]:
    """Two tables of 80 columns for a terminal, each its title, its columns and its lines."""
    shown = {
        TITLE: ("method", "published", "read as", "converted", "zoo, one pass"),
        "What this zoo counts: GMACs of one pass by kind, and a window": ("method", *_COUNTED[:3], _COUNTED[-1]),
    }
    for title, columns in shown.items():
        places = [COLUMNS.index(column) for column in columns]
        lines = [tuple(cells(row)[place] for place in places) for row in rows]
        yield title, columns, list(dict.fromkeys(line for line in lines if set(line[1:]) != {NONE}))


def _published(row: Row) -> Iterator[str]:
    figure = row.published
    unit = "" if figure.stated is None else f"G{figure.stated.unit}"
    yield figure.method
    yield str(figure.frames)
    yield NONE if figure.compute_g is None else f"{figure.compute_g:g} {unit}"
    yield NONE if row.reading is None else read_as(row.reading)
    yield NONE if row.reading is None else f"{row.reading.off_percent:+.2f} %"
    if row.gmacs is not None:
        yield f"{row.gmacs:.2f}"
    else:
        yield "can't be" if figure.convention else NONE


def _counted(row: Row) -> Iterator[str]:
    zoo = row.zoo
    if zoo is None:
        yield from (NONE,) * len(_COUNTED)
        return
    yield from (f"{value:.2f}" for value in (zoo.linear, zoo.attention, zoo.other + zoo.shared, zoo.gmacs))
    yield f"{zoo.window_gmacs:.5g} ({zoo.hypotheses} x {zoo.steps} x {2 if zoo.flip else 1})"


def reasons(rows: Sequence[Row]) -> list[str]:
    """What each row's gap consists of, or what is missing, and where its figure comes from."""
    told = []
    for row in rows:
        figure = row.published
        number = "" if figure.compute_g is None else f" {figure.compute_g:g}"
        source = f" [{figure.source}]" if figure.convention else ""
        told.append(f"{figure.method}{number}: {'; '.join(row.why)}{source}")
    return list(dict.fromkeys(told))
