"""What is shown of a finished study, and when showing it again is left out."""

from pathlib import Path

import pytest

from ablate.archive import Archive
from ablate.errors import InputError
from ablate.ledger import open_ledger
from ablate.loading import Study, check
from ablate.presentation import Presentation
from ablate.runner import Outcome, run, sync
from ablate.source import parse
from ablate.terminal import Plain
from ablate.workspace import Workspace
from tests.conftest import TINY

SHORT = TINY.replace("seeds: [0, 1]", "seeds: [0]").replace("[1.0, 0.6]", "[0.6]")


def study(text: str = SHORT) -> Study:
    return check(parse(text, "quick.yaml"))


def go(workspace: Workspace, text: str = SHORT) -> Outcome:
    return run(study(text), workspace, Plain(quiet=True))


def shown(workspace: Workspace, text: str = SHORT) -> Presentation:
    return Presentation(Archive(study(text), open_ledger(workspace, "quick")), workspace)


def test_nothing_is_shown_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"quick: nothing is recorded under .*; `ablate run` it first"):
        shown(Workspace(tmp_path / "home", tmp_path / "reports")).write()


def test_a_finished_study_that_is_shown_already_is_left_as_it_is(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home", tmp_path / "reports")
    first, database = go(workspace), workspace.database
    page, when = first.report.read_text(), database.stat().st_mtime_ns
    first.report.write_text("left as it is")
    second = go(workspace)
    assert [r.name for r in second.records] == [r.name for r in first.records]
    assert (second.report, second.failures) == (first.report, ())
    assert first.report.read_text() == "left as it is"
    assert database.stat().st_mtime_ns == when

    sync(study(), workspace, Plain(quiet=True))
    assert first.report.read_text() == page
    first.report.unlink()
    go(workspace)
    assert first.report.read_text() == page
    go(workspace, SHORT.replace("question: ", "question: Once more, "))
    assert "Once more" in first.report.read_text()


def test_what_was_shown_elsewhere_is_shown_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path / "home", tmp_path / "reports")
    go(workspace)
    assert shown(workspace).still()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    assert not shown(workspace).still()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    workspace.database.rename(tmp_path / "aside.db")
    assert not shown(workspace).still()
