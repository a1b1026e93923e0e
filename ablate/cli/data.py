"""Commands about data: what there is, what is in it, and one's own motion brought in."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ablate.cli.app import Json, Set, print_json, with_plugins

FRAMES = 243  # of a window, where none is asked about
data = typer.Typer(no_args_is_help=True, help="Datasets: list them, look into one, fetch or import motion.")


class Kind(StrEnum):
    """What kind of files are imported."""

    amc = "amc"
    bvh = "bvh"
    npz = "npz"


class Up(StrEnum):
    """The axis that points up."""

    y = "y"
    z = "z"


class Fetched(StrEnum):
    """What can be fetched."""

    cmu = "cmu"


Path_ = Annotated[
    Path | None, typer.Option("--path", metavar="FILE-OR-FOLDER", help="Where its files lie, as a study's data.path.")
]
Subjects = Annotated[list[str], typer.Option(metavar="SUBJECT", help="Repeat it, or put commas between subjects.")]


def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List the datasets, and the sets that were imported.

    Example: ablate data list
    """
    from ablate.inventory import datasets, sets
    from ablate.terminal import print_table, print_wrapped

    found = {"datasets": datasets(), "sets": sets(ctx.obj.home)}
    if as_json:
        print_json(found)
        return
    for entry in found["datasets"]:
        print_wrapped(f"{entry['name']}: {entry['about']}")
    columns = ("imported set", "clips", "minutes", "train", "validation", "test", "file")
    counts = ("train", "validation", "test")
    rows = [
        (e["name"], str(e["clips"]), f"{e['minutes']:.1f}", *(str(len(e["subjects"][c])) for c in counts), e["file"])
        for e in found["sets"]
        if "problem" not in e
    ]
    if rows:
        print()
        print_table("", columns, rows, "train, validation, test: subjects. In a study: data: {name: npz, set: NAME}")
    for entry in found["sets"]:
        if "problem" in entry:
            typer.echo(f"{entry['name']}: {entry['problem']}", err=True)


def info(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A dataset, or an imported set.")],
    path: Path_ = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Also draw sample poses, and the cameras from above.")
    ] = None,
    set_: Set = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Tell what is in a dataset: clips, minutes, subjects, bone lengths, speed, cameras, licence.

    --set takes a study's settings of data: --set data.annotations=annot3.

    Example: ablate data info synthetic --picture synthetic.png
    """
    from ablate.cli.described import print_survey
    from ablate.data import load
    from ablate.data.survey import survey
    from ablate.inventory import chosen
    from ablate.terminal import reporter

    config = chosen(name, path, ctx.obj.home, set_)
    splits = load(config, FRAMES, ctx.obj.home, needed=(), bar=reporter(quiet=as_json).bar)
    found = {"name": name, **survey(splits)}
    if picture is not None:
        from ablate.data.picture import draw

        found["picture"] = str(draw(splits, name, picture))
    if as_json:
        print_json(found)
    else:
        print_survey(found)


def import_(
    ctx: typer.Context,
    kind: Annotated[Kind, typer.Argument(metavar="amc|bvh|npz", help="Acclaim's ASF/AMC, BVH, or this layout's npz.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file, or a folder with such files.")],
    out: Annotated[
        str | None, typer.Option(metavar="NAME-or-FILE.npz", help="A set's name, or a file; PATH's name by default.")
    ] = None,
    fps: Annotated[float, typer.Option(min=1, max=999, help="Frames a second of the set.")] = 50.0,
    raw_spine: Annotated[
        bool, typer.Option("--raw-spine", help="Leave the spine's bones as captured, not at their median lengths.")
    ] = False,
    test: Subjects = [],  # noqa: B006
    validation: Subjects = [],  # noqa: B006
    unit: Annotated[
        str | None, typer.Option(metavar="UNIT", help="m, cm, mm, inch, cmu, or metres: of amc and bvh.")
    ] = None,
    source_fps: Annotated[
        float | None, typer.Option(min=1, max=9999, help="Of amc, which doesn't say it: 120 by default.")
    ] = None,
    up: Annotated[Up | None, typer.Option(help="The axis that points up in amc and bvh: y by default.")] = None,
    keep_glitches: Annotated[
        bool, typer.Option("--keep-glitches", help="Keep clips in which a joint is faster than 12 m/s.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the set where it is there already.")] = False,
    as_json: Json = False,
) -> None:
    """Turn motion capture, or recordings of your own, into a set that studies use: data: {name: npz, set: NAME}.

    Joints become Human3.6M's 17, in metres, z up. A clip whose tracking jumps is left out and told. Subjects are split
    by CMU's list where they are CMU's, else as --test and --validation say; all others are trained on.

    Example: ablate data import bvh captures/ --out mine --test anna --validation ben
    """
    from ablate.cli.described import print_import
    from ablate.mocap.importing import import_motion
    from ablate.mocap.request import requested
    from ablate.terminal import reporter

    request, files = requested(
        kind=kind.value,
        path=path,
        out=out,
        home=ctx.obj.home,
        fps=fps,
        raw_spine=raw_spine,
        test=_listed(test),
        validation=_listed(validation),
        unit=unit,
        source_fps=source_fps,
        up=None if up is None else up.value,
        keep_glitches=keep_glitches,
        force=force,
    )
    found = import_motion(request, files, reporter(quiet=as_json).bar)
    if as_json:
        print_json(found)
    else:
        print_import(found)


def fetch(
    ctx: typer.Context,
    name: Annotated[Fetched, typer.Argument(metavar="cmu", help="The dataset.")],
    subjects: Subjects = [],  # noqa: B006
    url: Annotated[
        str | None, typer.Option(envvar="ABLATE_CMU_URL", metavar="URL", help="A mirror with the same layout.")
    ] = None,
    pause: Annotated[float, typer.Option(min=0, max=60, help="Seconds between two files.")] = 0.5,
    as_json: Json = False,
) -> None:
    """Fetch motion from its makers and make the dataset of it: 71 clips of CMU's database, about 120 MB.

    What is there already is not fetched again; each file's checksum is kept and compared from then on.

    Example: ablate data fetch cmu
    """
    from ablate.cli.described import print_import
    from ablate.mocap.fetching import URL
    from ablate.mocap.fetching import fetch as get
    from ablate.terminal import reporter

    found = get(ctx.obj.home, _listed(subjects), url or URL, pause, reporter(quiet=as_json).bar)
    if as_json:
        print_json(found)
    else:
        print_import(found)


def _listed(given: list[str]) -> tuple[str, ...]:
    """Names given one by one or with commas between them."""
    return tuple(name.strip() for text in given for name in text.split(",") if name.strip())


data.command("list")(with_plugins(list_))
data.command()(with_plugins(info))
data.command("import")(import_)
data.command()(fetch)
