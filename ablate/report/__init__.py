"""Finished records become tables, figures and a page. Pure: the same records give the same bytes.

``write`` makes a study's report, ``publish`` copies one to where it is committed. Nothing here trains or loads a model.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ablate.errors import StorageError
from ablate.records import Record
from ablate.report.about import About
from ablate.writing import alone

__all__ = ["About", "publish", "write"]

PAGE = "report.md"
CONTENT = (PAGE, "results.csv", "tables", "figures")


def write(records: Sequence[Record], about: About, folder: Path) -> Path:
    """Make the report of ``records``, in whatever order they come, in ``folder``; returns its page.

    An earlier report there is replaced once the new one is complete. Raises AblateError for records that can't be
    reported, StorageError when the folder can't be written.
    """
    with _replacing(folder) as made:
        _make(records, about, made)
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


def _make(records: Sequence[Record], about: About, folder: Path) -> None:
    from ablate.report import comparison, curves, front, page, pareto, results, slices, strip, tables

    kept = results.ordered(records, about)
    frame = results.results(kept, about)
    frame.to_csv(folder / "results.csv", index=False, lineterminator="\n")
    best = front.front(frame, about)
    made = comparison.tables(frame, kept, about, best)
    for table in made:
        tables.save(table, folder / "tables")
    figures = folder / "figures"
    if best is None:
        about = replace(about, notes=(*about.notes, f"No front: {about.report.compute} was not measured."))
    pictures = [
        pareto.pareto(best, frame, kept, about, figures) if best else None,
        *slices.slices(frame, kept, about, figures),
        strip.strip(kept, about, figures),
        curves.curves(frame, kept, about, figures),
    ]
    text = page.page(frame, kept, about, made, [picture for picture in pictures if picture is not None])
    (folder / PAGE).write_text(text, encoding="utf-8")
