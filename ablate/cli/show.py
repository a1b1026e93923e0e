"""The command that shows a study in the terminal."""

import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from ablate.cli.app import Json, Set, Storage, StudyName, print_json, within

if TYPE_CHECKING:
    from ablate.showing import Line, Overview

HEIGHT = 16  # rows of the plot
BEST = "•"


def show(
    ctx: typer.Context,
    study: StudyName,
    every: Annotated[
        bool, typer.Option("--all", help="List every configuration by error, not the front alone.")
    ] = False,
    storage: Storage = None,
    set_: Set = [],  # noqa: B006  (typer reads the default, nothing changes it)
    as_json: Json = False,
) -> None:
    """Show a study's front as a table and a small plot, from its records; what can't be told from the best is marked.

    Example: ablate show pruning_ratio
    """
    from dataclasses import asdict

    from ablate.archive import Archive
    from ablate.ledger import open_ledger
    from ablate.loading import load
    from ablate.showing import overview

    loaded = load(study, set_)
    found = overview(Archive(loaded, open_ledger(within(ctx, storage), loaded.name)))
    if as_json:
        print_json(asdict(found))
    else:
        _print(found, found.lines if every else found.front)


def _print(found: "Overview", lines: "tuple[Line, ...] | list[Line]") -> None:
    from rich.console import Console
    from rich.text import Text

    from ablate.terminal import print_table, print_wrapped

    print_wrapped(f"{found.study}: {found.question}")
    count = f"{len(found.front)} of {len(found.lines)} configurations are on the front"
    caption = f"{count}; {found.recorded} of {found.planned} records"
    if found.paired:
        best = sum(line.best for line in found.lines)
        told = f"{best} of {len(found.lines)}, paired by {found.paired}"
        caption += f"\n{BEST} the best error and what can't be told from it: {told}"
    columns = ("configuration", found.error, found.compute, "saved %", "seeds")
    print_table("", columns, [_cells(line) for line in lines], caption)
    console = Console(highlight=False)
    for row in found.plot(shutil.get_terminal_size().columns, HEIGHT):
        text = Text(row, no_wrap=True)
        text.highlight_regex(r"(?<=│).*", "cyan")
        console.print(text)


def _cells(line: "Line") -> tuple[str, ...]:
    error = f"{BEST} " * line.best + f"{line.error:.2f}" + ("" if line.spread is None else f" ± {line.spread:.2f}")
    saved = "" if line.saved is None else f"{line.saved:.1f}"
    return f"{line.mark}  {line.label}", error, f"{line.compute:.4g}", saved, str(line.seeds)
