"""Optuna's view of a study: rebuilt from results, never left half."""

from pathlib import Path

import optuna

from ablate.search import TRIAL, Search, journal
from ablate.workspace import Workspace
from tests.conftest import TINY
from tests.test_study import study

SAMPLED = TINY.replace("seeds: [0, 1]", "sampler: nsga2\ntrials: 3\nseeds: [0]").replace("[1.0, 0.6]", "[0.8, 0.6]")


def stored(workspace: Workspace) -> list[optuna.trial.FrozenTrial]:
    names = optuna.get_all_study_names(storage=journal(workspace.journal))
    return optuna.load_study(study_name=names[0], storage=journal(workspace.journal)).get_trials()


def test_results_are_adopted_once(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    params = {"model.pruning.tcep.keep_ratio": 0.6, "model.pruning.mgptp.clusters": 3}
    for _ in range(2):
        search = Search(study().file, workspace)
        search.adopt("a", params, (50.0, 1.5))
        search.adopt("a", params, (50.0, 1.5))
    (trial,) = stored(workspace)
    assert (trial.params, trial.values, trial.user_attrs[TRIAL]) == (params, [50.0, 1.5], "a")


def test_proposals_lie_in_the_sweep_and_are_told(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    file = study(SAMPLED).file
    search = Search(file, workspace)
    for i in range(4):
        proposal, params = search.ask()
        assert params["model.pruning.tcep.keep_ratio"] in (0.8, 0.6)
        assert params["model.pruning.mgptp.clusters"] in (5, 3)
        search.tell(proposal, f"t{i}", None if i == 3 else (50.0 + i, 2.0 - i))
    states = [t.state.name for t in stored(workspace)]
    assert states == ["COMPLETE"] * 3 + ["FAIL"]
    search = Search(file, workspace)
    search.adopt("t1", params, (51.0, 1.0))
    assert len(stored(workspace)) == 4


def test_a_proposal_that_nobody_will_answer_is_closed(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    Search(study(SAMPLED).file, workspace).ask()
    assert [t.state.name for t in stored(workspace)] == ["RUNNING"]
    Search(study(SAMPLED).file, workspace)
    assert [t.state.name for t in stored(workspace)] == ["FAIL"]


def test_a_changed_sweep_is_another_search(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path)
    Search(study().file, workspace)
    Search(study(TINY.replace("[5, 3]", "[4, 3]")).file, workspace)
    assert len(optuna.get_all_study_names(storage=journal(workspace.journal))) == 2
