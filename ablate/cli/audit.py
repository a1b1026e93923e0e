"""The command that converts published compute."""

from pathlib import Path
from typing import Annotated

import typer

from ablate.cli.app import Json, print_json


def audit(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the page, its table and its figure go.")] = Path(
        "reports/audit"
    ),
    as_json: Json = False,
) -> None:
    """Convert published compute figures to one convention, beside what this zoo counts for the same models.

    Writes a page, a CSV and a figure; with --json it only prints.

    Example: ablate audit --json
    """
    from dataclasses import asdict

    from ablate.audit import audit as rows_of

    rows = rows_of()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    from ablate.audit import layout
    from ablate.audit.page import write
    from ablate.terminal import print_table, print_wrapped

    for title, columns, lines in layout.narrow(rows):
        print_table(title, columns, lines)
    print_wrapped(f"{layout.CAPTION}.")
    for text in layout.reasons(rows):
        print_wrapped(text)
    typer.echo(str(write(rows, out)))
