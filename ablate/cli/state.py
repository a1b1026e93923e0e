"""Commands about what is there: how studies stand, what waits, what may go."""

import os
import sys
from typing import Annotated

import typer

from ablate.attempts import TRIES
from ablate.cli.app import Json, Set, Storage, StoreAt, StudyName, Tries, print_json, within


def status(
    ctx: typer.Context,
    study: StudyName,
    storage: Storage = None,
    tries: Tries = TRIES,
    set_: Set = [],  # noqa: B006  (typer reads the default, nothing changes it)
    as_json: Json = False,
) -> None:
    """Say how a study stands: what runs, waits, is done, failed or was stopped early, why, and about how long is left.

    Example: ablate status pruning_ratio
    """
    from ablate.loading import load
    from ablate.runner import status as look
    from ablate.terminal import print_overview

    loaded = load(study, set_)
    found = look(loaded, within(ctx, storage), tries)
    if as_json:
        print_json(found)
    else:
        print_overview(loaded.name, found)


def retry(
    ctx: typer.Context,
    study: StudyName,
    storage: Storage = None,
    tries: Tries = TRIES,
    set_: Set = [],  # noqa: B006
) -> None:
    """Let what failed be tried again by the next run; its history stays. A training that was stopped early (`prune`)
    goes on from where it stopped, and to its end.

    Example: ablate retry pruning_ratio
    """
    from ablate.loading import load
    from ablate.runner import retry as forgive

    loaded = load(study, set_)
    count = forgive(loaded, within(ctx, storage), tries)
    typer.echo(f"{loaded.name}: {count} trials will be tried again; go on with `ablate run`")


def sync(
    ctx: typer.Context,
    study: StudyName,
    storage: Storage = None,
    store: StoreAt = None,
    set_: Set = [],  # noqa: B006
) -> None:
    """Send to MLflow, Optuna and the database what is recorded and isn't there; makes them anew where they are gone.

    Example: ablate --home copied/.ablate sync pruning_ratio
    """
    from ablate.loading import load
    from ablate.runner import sync as sync_study
    from ablate.terminal import reporter

    loaded = load(study, set_)
    count = sync_study(loaded, within(ctx, storage, store), reporter())
    typer.echo(f"{loaded.name}: {count} records are shown")


def clean(
    ctx: typer.Context,
    studies: Annotated[list[str] | None, typer.Argument(metavar="[STUDY...]", help="Studies to keep.")] = None,
    store: StoreAt = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it; without this it is only listed.")] = False,
) -> None:
    """List, or with --delete drop, what is no longer needed.

    Without a study: what killed processes left, checkpoints of finished trainings, caches of benchmarks whose files are
    gone or have changed, reports and models that MLflow knows no longer, and what the scheduler's jobs (--launcher)
    that have ended left. With studies: also the weights that none of these studies uses. Records are never touched.

    What you delete in MLflow can be restored there, so its files stay until you say `mlflow gc --backend-store-uri
    sqlite:///.ablate/mlflow.db --tracking-uri sqlite:///.ablate/mlflow.db`; `ablate sync` makes it again.

    Example: ablate clean pruning_ratio pruning_ratio_cmu
    """
    from ablate.loading import load
    from ablate.store import Store
    from ablate.upkeep import leftovers

    workspace = within(ctx, store=store)
    keep = [load(name) for name in studies] if studies else None
    found = leftovers(Store(workspace.weights), workspace.home, keep)
    for item in found:
        if delete:
            item.remove()
        typer.echo(f"{'deleted' if delete else 'may go'}: {item.name}, {item.bytes / 1e6:.1f} MB: {item.why}")
    total = sum(item.bytes for item in found) / 1e6
    typer.echo(f"{len(found)} in all, {total:.1f} MB" + ("" if delete or not found else "; --delete drops them"))


def reproduce(
    ctx: typer.Context,
    study: StudyName,
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="A record's name, as `ablate run --json` says it.")],
    storage: Storage = None,
    store: StoreAt = None,
    from_weights: Annotated[bool, typer.Option("--from-weights", help="Evaluate again, but do not train.")] = False,
    tolerance: Annotated[float, typer.Option(min=0, help="Largest difference allowed, in mm or mm/frame.")] = 0.01,
    set_: Set = [],  # noqa: B006
) -> None:
    """Run a record again, its training included, and compare the errors; exit code 1 when they differ.

    Example: ablate reproduce pruning_ratio 0123456789ab-s0
    """
    from ablate.archive import Archive
    from ablate.ledger import open_ledger
    from ablate.loading import load
    from ablate.reproduce import reproduce as again
    from ablate.terminal import print_reproduction, reporter

    loaded = load(study, set_)
    workspace = within(ctx, storage, store)
    archive = Archive(loaded, open_ledger(workspace, loaded.name))
    found = again(archive, trial, workspace, reporter(), from_weights=from_weights)
    print_reproduction(found)
    if found.worst > tolerance:
        raise typer.Exit(1)


def ui(
    ctx: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
    optuna: Annotated[bool, typer.Option("--optuna", help="Optuna's dashboard on the searches instead.")] = False,
    storage: Storage = None,
) -> None:
    """Open MLflow's own pages on this project's records, on this machine only (127.0.0.1).

    --optuna opens Optuna's dashboard on the same studies (pip install 'pose-ablate\\[dashboard]'); --storage says where
    several machines share their search.

    Example: ablate ui --port 5001
    """
    from ablate.storage import Storage as Database
    from ablate.tracking import make_store, studies, tracking_uri

    ctx.obj.prepare()
    if optuna:
        from ablate.search.dashboard import serve

        serve(ctx.obj.journal if storage is None else Database.parse(storage).search_url, port)
        return
    make_store(tracking_uri(ctx.obj))
    address = f"http://127.0.0.1:{port}/"
    typer.echo(f"MLflow on {address} (Ctrl-C ends it)")
    for name, page in studies(tracking_uri(ctx.obj)).items():
        typer.echo(f"  {name}: {address}{page}")
    sys.stdout.flush()
    arguments = ["--backend-store-uri", tracking_uri(ctx.obj), "--host", "127.0.0.1", "--port", str(port)]
    arguments += ["--workers", "1"]  # one person looks; each of MLflow's usual four loads all of it
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "server", *arguments])
