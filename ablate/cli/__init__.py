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
    # Waiting threads that spin slow small networks down severalfold on a busy machine; torch reads this at import.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app()
