"""The figures of a report, each only where the records allow it, in PDF and PNG, and what moves as GIF.

``figures`` makes all of them. Each module draws one kind: a function of ``material.Material`` that yields what it has
drawn; ``style`` is the house style that they share. Pure as the whole report is: the same records give the same bytes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ablate.records import Record
    from ablate.report.about import About
    from ablate.report.figures.style import Picture
    from ablate.report.front import Front
    from ablate.statistics.samples import Samples


def figures(
    frame: "pd.DataFrame",
    records: "Sequence[Record]",
    about: "About",
    best: "Front | None",
    samples: "Samples",
    folder: Path,
) -> "list[Picture]":
    """Draw every figure that the records allow and write it under ``folder``, in the order of the page; ``best`` is
    None where no front can be drawn."""
    from ablate.report.figures import (
        changes,
        curves,
        heat,
        latency,
        parallel,
        pareto,
        parts,
        skeletons,
        slices,
        stages,
        strip,
        style,
    )
    from ablate.report.figures.material import Material

    kinds = (
        pareto.pareto,
        stages.stages,
        slices.slices,
        heat.heat,
        parallel.parallel,
        parts.parts,
        latency.latency,
        changes.changes,
        strip.strip,
        skeletons.skeletons,
        curves.curves,
    )
    material = Material(frame, records, about, best, samples)
    made = []
    with style.house():
        for kind in kinds:
            for picture in kind(material):
                style.save(picture.figure, folder, picture.name)
                if picture.moving is not None:
                    (folder / f"{picture.name}.gif").write_bytes(picture.moving)
                made.append(picture)
    return made
