"""The command line: parse, call one function, print, exit code. Nothing heavy is imported before a command needs it."""

import os

from ablate.cli import audit, bench, compare, data, lift, show, state, study, weights, zoo
from ablate.cli.app import app, with_plugins

# In the order of `ablate --help`.
COMMANDS = (
    study.run,
    study.plan,
    study.worker,
    study.validate,
    study.schema,
    study.report,
    show.show,
    compare.compare,
    state.status,
    state.retry,
    state.reproduce,
    state.sync,
    state.clean,
    state.ui,
    zoo.zoo,
    zoo.profile,
    audit.audit,
    weights.import_checkpoint,
    weights.evaluate,
    lift.lift,
    bench.bench,
)
for command in COMMANDS:
    app.command()(command if command in (state.ui, bench.bench) else with_plugins(command))
app.add_typer(data.data, name="data")


def main() -> None:
    """The console command."""
    # How threads wait for each other; torch reads it at import. Spinning for long slows small networks down severalfold
    # on a busy machine, and sleeping at once by a third on a quiet one: so GNU's library spins for microseconds.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    app()
