"""A study in the terminal: its front as a table, and a plot of characters as wide as the terminal."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from ablate.archive import Archive
from ablate.characters import Point, scatter
from ablate.errors import InputError
from ablate.ledger import open_ledger
from ablate.plan import trials
from ablate.showing import Overview, overview
from ablate.workspace import Workspace
from tests.conftest import TINY
from tests.test_cli import ablate, refused
from tests.test_records import record
from tests.test_study import study

# Error and GMACs of each row of the tiny study, in its order: the fourth is the worst and the third beaten.
Cells = Mapping[str, list[tuple[float, float]]]
CELLS: Cells = {"htp": [(50.0, 9.0), (52.0, 5.0), (53.0, 6.0), (60.0, 1.0)], "d3dp": [(49.0, 10.0)]}


def archive(home: Path, storage: str | None = None, *, text: str = TINY, cells: Cells = CELLS) -> Archive:
    """A finished study, whose rows stand where ``cells`` says; the second seed errs by 1 mm more."""
    workspace = Workspace(home, home.parent / "reports", storage)
    workspace.prepare()
    own = study(text)
    kept = Archive(own, open_ledger(workspace, own.name))
    places = {group: iter(values * len(own.file.seeds)) for group, values in cells.items()}
    for trial in trials(own, kept.cells):
        cell = trial.cell
        error, gmacs = next(places[cell.group])
        made = record(
            trial.seed,
            trial=cell.id,
            group=cell.group,
            label=cell.label,
            params=dict(cell.params),
            compute={"inference_gmacs": gmacs},
        )
        values = tuple(m._replace(value=error + trial.seed) for m in made.metrics)
        assert kept.ledger.add(record(**{**vars(made), "metrics": values}))
    return kept


@pytest.fixture
def found(tmp_path: Path) -> Overview:
    return overview(archive(tmp_path / "home"))


def test_the_front_stands_cheapest_first_with_means_and_savings(found: Overview) -> None:
    assert [(line.mark, line.error, line.compute) for line in found.front] == [
        ("a", 60.5, 1.0),
        ("b", 52.5, 5.0),
        ("c", 50.5, 9.0),
        ("d", 49.5, 10.0),
    ]
    assert found.front[1].saved == 50.0
    assert found.front[0].spread == pytest.approx(0.5**0.5)
    assert [line.error for line in found.lines] == [49.5, 50.5, 52.5, 53.5, 60.5]
    assert (found.recorded, found.planned) == (10, 10)


def test_what_cannot_be_told_from_the_best_is_marked_as_in_reports(tmp_path: Path) -> None:
    alike = {"htp": [(50.0, 9.0), (52.0, 5.0), (53.0, 6.0), (49.0, 1.0)], "d3dp": [(49.0, 10.0)]}
    found = overview(archive(tmp_path / "home", cells=alike))
    assert {line.error for line in found.lines if line.best} == {49.5}
    assert sum(line.best for line in found.lines) == 2
    assert found.paired.startswith("seed")


def test_one_seed_marks_nothing(tmp_path: Path) -> None:
    found = overview(archive(tmp_path / "home", text=TINY.replace("seeds: [0, 1]", "seeds: [0]")))
    assert not [line for line in found.lines if line.best]
    assert found.paired == ""


def test_a_study_without_records_says_what_to_do(tmp_path: Path) -> None:
    own = study(TINY)
    with pytest.raises(InputError, match="quick: nothing is recorded yet; `ablate run` it first"):
        overview(Archive(own, open_ledger(Workspace(tmp_path), own.name)))


@pytest.mark.parametrize("width", [40, 80, 133])
def test_points_stand_where_their_numbers_say(found: Overview, width: int) -> None:
    rows = found.plot(width, 12)
    assert all(len(row) <= width for row in rows)
    plane = [row.partition("│")[2] for row in rows if "│" in row]
    assert len(plane) == 12
    places = {mark: (x, y) for y, row in enumerate(plane) for x, mark in enumerate(row) if mark != " "}
    assert set(places) == set("abcd·")
    assert sorted("abcd", key=lambda mark: places[mark][0]) == list("abcd")
    assert places["a"][1] < places["b"][1] <= places["c"][1] <= places["d"][1]  # rows count from the top


def test_one_point_has_a_plane_too() -> None:
    rows = scatter([Point(3.0, 0.0, "a")], ("compute", "error"), 30, 5)
    assert sum(row.count("a") for row in rows[1:-2]) == 1
    assert all(len(row) <= 30 for row in rows)


def test_the_command_prints_a_table_and_a_plot_without_colour_where_it_is_piped(tmp_path: Path) -> None:
    archive(tmp_path / ".ablate")
    (tmp_path / "s.yaml").write_text(TINY)
    done = ablate("show", "s.yaml", cwd=tmp_path, COLUMNS="70")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "quick: Does it run?" in done.stdout
    assert re.search(r"b\s.*htp keep_ratio 1, clusters 3.*52\.50 ± 0\.71.*\s5\s.*50\.0.*\s2\s", done.stdout)
    assert "4 of 5 configurations are on the front; 10 of 10 records" in done.stdout
    assert re.search(r"d\s+d3dp.*• 49\.50 ± 0\.71", done.stdout)
    assert done.stdout.count("•") == 2
    assert "• the best error and what can't be told from it: 1 of 5, paired by seed" in done.stdout
    assert "53.50" not in done.stdout
    assert "53.50" in ablate("show", "s.yaml", "--all", cwd=tmp_path).stdout
    assert max(len(line) for line in done.stdout.splitlines() if "│" in line and "└" not in line) <= 160


def test_the_command_gives_json(tmp_path: Path) -> None:
    archive(tmp_path / ".ablate")
    (tmp_path / "s.yaml").write_text(TINY)
    told = json.loads(ablate("show", "s.yaml", "--json", cwd=tmp_path).stdout)
    assert (told["study"], told["recorded"], len(told["lines"])) == ("quick", 10, 5)
    assert told["lines"][0] == {
        "mark": "d",
        "label": "d3dp",
        "error": 49.5,
        "spread": pytest.approx(0.5**0.5),
        "compute": 10.0,
        "saved": 0.0,
        "seeds": 2,
        "front": True,
        "best": True,
    }


def test_the_command_refuses_a_study_without_records(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(TINY)
    assert "nothing is recorded yet" in refused(ablate("show", "s.yaml", cwd=tmp_path))
