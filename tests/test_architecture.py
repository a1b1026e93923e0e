"""The shape of the code: who imports whom, how long things are, what stays out."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

FILES = sorted([*(ROOT / "ablate").rglob("*.py"), *(ROOT / "models").rglob("*.py")])

# Imports point down, and never sideways inside a row.
ROWS = (
    {"__main__"},
    {"cli", "__init__"},
    {"notebook"},
    {"bench"},
    {"runner", "catalogue", "audit", "weights", "lift", "mocap", "inventory"},
    {"presentation"},
    {"scheduled", "budget", "predictions", "outlook"},
    {"mirror", "crew", "reproduce", "showing"},
    {"worker"},
    {"probe"},
    {"laboratory", "proposals", "upkeep"},
    {"standing"},
    {
        "train",
        "evaluate",
        "compute",
        "store",
        "tracking",
        "search",
        "report",
        "strip",
        "archive",
        "terminal",
        "work",
        "stopping",
    },
    {"ledger"},
    {"statistics"},
    {"records", "attempts", "trained", "storage"},
    {"plan"},
    {"loading"},
    {"design", "costing", "rules", "claims"},
    {"schema", "problems", "quantities"},
    {"source", "sections", "plugin"},
    {"data", "metrics", "placement", "smoothing", "characters"},
)
ANYWHERE = {"errors", "seeds", "nearest", "canonical", "workspace", "provenance", "writing"}
ROOTS = {
    "laboratory",
    "catalogue",
    "costing",
    "probe",
    "schema",
    "plugin",
    "audit",
    "weights",
    "lift",
    "tracking",
    "bench",
}  # where the zoo meets the engine; elsewhere only its torch-free configs
LISTS = (
    "models.branch",
    "models.config",
    "models.execution",
    "models.names",
    "models.pruning.config",
    "models.pruning.elastic",
    "models.sampling",
)


def part(path: Path) -> str:
    """A file's top-level part: ``data`` for everything in ablate/data."""
    return path.relative_to(ROOT / "ablate").parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of each import outside ``if TYPE_CHECKING``."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield node.lineno, str(node.module)
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def test_every_part_of_the_engine_has_its_row() -> None:
    parts = {part(p) for p in FILES if p.is_relative_to(ROOT / "ablate")}
    assert parts == set().union(*ROWS) | ANYWHERE


def test_imports_point_down() -> None:
    rank = {name: i for i, row in enumerate(ROWS) for name in row}
    wrong = []
    for path in FILES:
        if not path.is_relative_to(ROOT / "ablate"):
            continue
        own = part(path)
        for line, name in imports(path):
            pieces = name.split(".")
            if pieces[0] != "ablate" or len(pieces) < 2 or pieces[1] in ANYWHERE | {own, "__version__"}:
                continue
            if own in ANYWHERE or rank[pieces[1]] <= rank[own]:
                wrong.append(f"{path.name}:{line}: {own} imports {pieces[1]}")
    assert not wrong


def test_the_zoo_knows_nothing_of_the_engine_and_is_built_in_few_places() -> None:
    wrong = []
    for path in FILES:
        engine = path.is_relative_to(ROOT / "ablate")
        for line, name in imports(path):
            if not engine and name.split(".")[0] in {"ablate", "mlflow", "optuna", "typer", "ruamel", "pydantic"}:
                wrong.append(f"{path.name}:{line}: models imports {name}")
            if engine and name.split(".")[0] == "models" and part(path) not in ROOTS and not name.startswith(LISTS):
                wrong.append(f"{path.name}:{line}: imports {name}")
    assert not wrong


@pytest.mark.parametrize(
    ("library", "owner"),
    [
        ("mlflow", "tracking"),
        ("optuna", "search"),
        ("optuna_dashboard", "search"),
        ("submitit", "scheduled"),
        ("seaborn", "report"),
        ("pooch", "mocap"),
    ],
)
def test_a_library_has_one_owner(library: str, owner: str) -> None:
    users = {
        part(p)
        for p in FILES
        if p.is_relative_to(ROOT / "ablate")
        for _, name in imports(p)
        if name.split(".")[0] == library
    }
    assert users == {owner}


def test_functions_and_files_stay_short() -> None:
    long = []
    for path in FILES:
        text = path.read_text()
        if text.count("\n") > 300:
            long.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60:
                long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not long


HEAVY = {"torch", "mlflow", "optuna", "pandas", "matplotlib", "seaborn"}
HELP = "from ablate.cli import app; app(['--help'], standalone_mode=False)"
PROBING = "import ablate.outlook"  # what loads torch's compiler waits until something is trained
CHECKS = "import ablate.cli, ablate.loading, ablate.plan, ablate.data.config, models, models.config"


@pytest.mark.parametrize(
    ("script", "unwanted"),
    [
        ("import ablate", HEAVY | {"numpy", "pydantic", "ruamel", "typer"}),
        (HELP, HEAVY | {"numpy", "pydantic", "ruamel"}),
        (CHECKS, HEAVY),
        (PROBING, {"lightning_fabric", "torch._dynamo", "sympy", "mlflow", "pandas", "matplotlib"}),
    ],
    ids=["import", "help", "checks", "plan"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(script: str, unwanted: set[str]) -> None:
    script += f"\nimport sys; early = {unwanted} & set(sys.modules); sys.exit(f'too early: {{early}}' if early else 0)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_python_package_is_listed_for_installation() -> None:
    import tomllib

    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {".".join(p.parent.relative_to(ROOT).parts) for p in FILES}
    assert listed == found | {"ablate.studies"}
