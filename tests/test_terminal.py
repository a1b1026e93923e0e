"""What a person is shown of work that is no trial: a bar in a terminal, a plain line elsewhere, nothing when quiet."""

import pytest

from ablate.terminal import Bars, Plain, Silent


def test_a_plain_line_when_it_begins(capsys: pytest.CaptureFixture[str]) -> None:
    for reporter in (Plain(), Plain(quiet=True), Silent()):
        with reporter.bar("h36m: preparing", 3) as advance:
            advance(1)
    shown = capsys.readouterr()
    assert shown.err == "h36m: preparing\n"
    assert shown.out == ""


def test_bars_come_and_go_before_the_trials_and_among_them(capsys: pytest.CaptureFixture[str]) -> None:
    bars = Bars()
    progress = bars._bars

    def running() -> bool:
        return progress.live.is_started

    with bars.bar("h36m: preparing", 3) as advance:
        assert running()
        advance(2)
        (task,) = progress.tasks
        assert (task.description, task.completed, task.total) == ("h36m: preparing", 2, 3)
    assert not running()
    assert not progress.tasks
    bars.begin("study", 4, 0)
    with bars.bar("3dhp: reading", None), bars.bar("3dhp: preparing", 2):
        assert len(progress.tasks) == 3
    assert running()
    assert [task.description for task in progress.tasks] == ["study"]
    bars.end()
    assert not running()
    assert capsys.readouterr().out == ""


def test_a_bar_goes_when_its_work_fails(capsys: pytest.CaptureFixture[str]) -> None:
    bars = Bars()
    with pytest.raises(ValueError, match="broken"), bars.bar("h36m: preparing", 3):
        raise ValueError("broken")
    assert not bars._bars.live.is_started
    assert not bars._bars.tasks
    assert capsys.readouterr().out == ""
