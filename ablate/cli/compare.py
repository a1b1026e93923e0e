"""The command that says what moved between two studies, or between two commits of one."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ablate.cli.app import Json, Set, Storage, print_json, within
from ablate.workspace import Workspace

if TYPE_CHECKING:
    from ablate.records import Record
    from ablate.report.moved import Comparison, Moved

SHOWN = 6  # settings that differ; the JSON has them all

_AT = re.compile(r"(.+)@([0-9a-f]{4,40})")


def compare(
    ctx: typer.Context,
    before: Annotated[str, typer.Argument(metavar="STUDY_A[@COMMIT]", help="A study, or its records of one commit.")],
    after: Annotated[str, typer.Argument(metavar="STUDY_B[@COMMIT]", help="What to hold against it.")],
    home_b: Annotated[Path | None, typer.Option(help="The home folder of STUDY_B, where that is another.")] = None,
    storage: Storage = None,
    set_: Set = [],  # noqa: B006  (typer reads the default, nothing changes it)
    check: Annotated[bool, typer.Option("--check", help="Exit 1 when an error rose beyond noise.")] = False,
    as_json: Json = False,
) -> None:
    """Say what moved between two studies, or two commits of one, beyond the noise of seeds and subjects.

    Example: ablate compare pruning_ratio pruning_ratio --home-b ../before/.ablate
    """
    from dataclasses import asdict

    from ablate.report.moved import compare as moved

    ours = within(ctx, storage)
    theirs = ours if home_b is None else replace(ours, home=home_b, storage=None)
    found = moved(_records(before, ours, set_), _records(after, theirs, set_))
    if as_json:
        print_json({**asdict(found), "worse": found.worse})
    else:
        _tell(before, after, found)
    if check and found.worse:
        raise typer.Exit(1)


def _records(given: str, workspace: Workspace, settings: Sequence[str]) -> "list[Record]":
    """A study's records as it stands, or with a commit all that were made at it. Raises InputError for none."""
    from ablate.archive import Archive
    from ablate.errors import InputError
    from ablate.ledger import open_ledger
    from ablate.loading import load
    from ablate.report.protocol import commit as commits

    at = None if Path(given).is_file() else _AT.fullmatch(given)
    study = load(at[1] if at else given, settings)
    ledger = open_ledger(workspace, study.name)
    found = list(ledger.load(sorted(ledger.names()))) if at else Archive(study, ledger).records()
    if not found:
        raise InputError(f"{given}: nothing is recorded under {workspace.home}; `ablate run` it, or name its home")
    chosen = [record for record in found if not at or str(record.provenance.get("commit")).startswith(at[2])]
    if not chosen:
        there = commits(found)
        raise InputError(f"{given}: no record under {workspace.home} was made at that commit; there are {there}")
    return chosen


def _tell(before: str, after: str, found: "Comparison") -> None:
    from ablate.terminal import print_table

    if not found.rows:
        typer.echo(f"{before} and {after} share no configuration, neither by what it runs with nor by its label")
        return
    columns = ("configuration", before, after, "difference (95 % interval)", "p (Holm)", "seeds", "")
    caption = "test MPJPE in mm, mean over seeds; differences are paired by seed and recording"
    print_table("What moved", columns, [_cells(row) for row in found.rows], caption)
    for row in found.rows:
        for line in _more(row):
            typer.echo(f"{row.label}: {line}")
    for side, labels in ((before, found.only_before), (after, found.only_after)):
        if labels:
            typer.echo(f"only in {side}: {'; '.join(labels)}")


def _cells(row: "Moved") -> tuple[str, ...]:
    difference, p = row.why, ""
    if row.difference_mm is not None and row.p_holm is not None:
        difference = f"{row.difference_mm:+.2f} ({row.low_mm:+.2f} to {row.high_mm:+.2f})"
        p = f"{row.p_holm:.3f}"
    return (row.label, f"{row.before_mm:.2f}", f"{row.after_mm:.2f}", difference, p, str(row.seeds), row.verdict)


def _more(row: "Moved") -> list[str]:
    """What else differs: closed-form compute, and settings."""
    lines = [f"{name} {_number(one)} -> {_number(other)}" for name, (one, other) in row.compute.items()]
    settings = [f"{path} {one} -> {other}" for path, (one, other) in row.settings.items()]
    left = len(settings) - SHOWN
    return [*lines, *settings[:SHOWN], *([f"and {left} more settings (--json has them)"] if left > 0 else [])]


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
