"""Commands that measure this program's own promises."""

import inspect
from collections.abc import Callable
from enum import StrEnum
from importlib import import_module
from typing import Annotated, Any

import typer

from ablate.cli.app import Json, print_json
from ablate.errors import InputError


class Bench(StrEnum):
    """What can be measured; each is the function ``ablate.bench.<name>.<name>``."""

    inference = "inference"
    training = "training"
    protocol = "protocol"
    metrics = "metrics"
    engine = "engine"
    report = "report"
    startup = "startup"


class Size(StrEnum):
    """Of a model of the zoo."""

    tiny = "tiny"
    small = "small"
    base = "base"


class Device(StrEnum):
    """Where a bench computes."""

    cpu = "cpu"
    cuda = "cuda"


def bench(
    ctx: typer.Context,
    name: Annotated[Bench, typer.Argument(help="What to measure.")],
    size: Annotated[Size | None, typer.Option(help="Of the models; the bench's own by default.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Of a window; the bench's own by default.")] = None,
    device: Annotated[Device | None, typer.Option(help="cpu, or the first GPU.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny and once: to see that it works.")] = False,
    as_json: Json = False,
) -> None:
    """Measure a promise of this program on this machine, and keep the result under reports/bench/.

    Exit code 1 says that a promise is broken on this machine. --quick measures too little to judge by.

    Example: ablate bench inference --size small
    """
    given: dict[str, Any] = {"size": size, "frames": frames, "device": device, "quick": quick or None}
    options = {key: getattr(value, "value", value) for key, value in given.items() if value is not None}
    function = _function(name, options)
    from ablate import bench as benches
    from ablate.terminal import print_table

    if "home" in inspect.signature(function).parameters:
        found = function(**options, home=ctx.obj.home)
    else:
        found = function(**options)
    measured = found if isinstance(found, benches.Measured) else benches.Measured(rows=found)
    rows = measured.rows
    folder = benches.write(name.value, rows, ctx.obj.reports, options, measured.files)
    if as_json:
        print_json(benches.content(name.value, rows, options))
    else:
        lines = [row.texts for row in rows]
        print_table(f"bench {name}", ("what", "measured", "promise", ""), lines, f"kept in {folder}")
    if not quick and any(row.kept is False for row in rows):
        raise typer.Exit(1)


def _function(name: Bench, options: dict[str, Any]) -> Callable[..., Any]:
    """The bench's function, if it takes these options and the device is there; InputError else."""
    function: Callable[..., Any] = getattr(import_module(f"ablate.bench.{name}"), name)
    known = [key for key in inspect.signature(function).parameters if key != "home"]
    if strange := [f"--{key}" for key in options if key not in known]:
        takes = ", ".join([*(f"--{key}" for key in known), "--json"])
        raise InputError(f"ablate bench {name} takes no {', '.join(strange)}; it takes {takes}")
    if options.get("device") == Device.cuda:
        import torch

        if not torch.cuda.is_available():
            raise InputError("--device cuda: torch finds no GPU here; leave it out to measure on the processor")
    return function
