"""Finished records become tables, figures and a page. Pure: the same records give the same bytes.

``write`` makes a study's report, ``publish`` copies one to where it is committed. Nothing here trains or loads a model.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ablate.errors import StorageError
from ablate.records import Record
from ablate.report.about import About
from ablate.writing import alone

if TYPE_CHECKING:
    from ablate.report.claims import Verdict
    from ablate.report.importance import Importances
    from ablate.report.tables import Table

__all__ = ["About", "publish", "verdicts", "write"]

PAGE, HTML = "report.md", "report.html"
CONTENT = (PAGE, HTML, "results.csv", "tables", "figures")


def write(records: Sequence[Record], about: About, folder: Path, importances: "Importances | None" = None) -> Path:
    """Make the report of ``records``, in whatever order they come, in ``folder``; returns its page.

    ``importances`` tells those of swept values (see ablate.report.importance); without it their table is left out. An
    earlier report there is replaced once the new one is complete. Raises AblateError for records that can't be
    reported, StorageError when the folder can't be written.
    """
    with _replacing(folder) as made:
        _make(records, about, made, importances)
    return folder / PAGE


def publish(folder: Path, published: Path) -> None:
    """Copy the report in ``folder`` to ``published``. Raises StorageError when either can't be used."""
    with _replacing(published) as made:
        for name in CONTENT:
            copy = shutil.copytree if (folder / name).is_dir() else shutil.copyfile
            copy(folder / name, made / name)


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """An empty folder to fill; its content then takes the place of the report in ``folder``, part by part."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as made:
            yield Path(made)
            with alone(folder.parent):  # two runs may end at the same moment
                for name in CONTENT:
                    if (folder / name).is_dir():
                        shutil.rmtree(folder / name)
                    (Path(made) / name).replace(folder / name)
    except OSError as error:
        raise StorageError(f"{folder}: the report can't be written ({error}); free it, or name another") from error


def _make(records: Sequence[Record], about: About, folder: Path, importances: "Importances | None") -> None:
    from ablate.report import claims, comparison, figures, front, page, results, tables
    from ablate.report.figures.material import Material
    from ablate.report.html import html
    from ablate.statistics.samples import samples

    kept = results.ordered(records, about)
    frame, known = results.results(kept, about), samples(kept)
    frame.to_csv(folder / "results.csv", index=False, lineterminator="\n")
    best = front.front(frame, about)
    made = comparison.tables(frame, kept, about, best, known, importances)
    for table in made:
        tables.save(table, folder / "tables")
    if best is None:
        about = replace(about, notes=(*about.notes, f"No front: {about.report.compute} was not measured."))
    judged = claims.verdicts(frame, kept, about, known)
    below = _below(kept, about, made, folder / "tables")
    pictures = figures.figures(frame, kept, about, best, known, folder / "figures")
    text = page.page(frame, kept, about, made, pictures, judged, below)
    (folder / PAGE).write_text(text, encoding="utf-8")
    drawn = Material(frame, kept, about, best, known)
    (folder / HTML).write_text(html(drawn, made, pictures, judged, below, folder / "figures"), encoding="utf-8")


def _below(records: Sequence[Record], about: About, made: Sequence["Table"], folder: Path) -> list[str]:
    """What is to be said under the main table: of its macros, and of what papers published; both files are written."""
    from ablate.report.macros import NAME, macros
    from ablate.report.published import LEFT_OUT, published

    numbers = macros([table for table in made if table.name in ("main", "differences")])
    (folder / NAME).write_text(numbers.text, encoding="utf-8")
    found = published(records, about)
    if found.left_out:
        (folder / LEFT_OUT).write_text(found.lint, encoding="utf-8")
    return [*filter(None, [numbers.said, found.said])]


def verdicts(records: Sequence[Record], about: About) -> "tuple[Verdict, ...]":
    """The study's claims as the report of these records judges them, in the study's order. Raises as ``write``."""
    from ablate.report import claims, results
    from ablate.statistics.samples import samples

    kept = results.ordered(records, about)
    return claims.verdicts(results.results(kept, about), kept, about, samples(kept))
