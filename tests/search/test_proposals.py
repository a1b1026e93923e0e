"""Proposals: different ones, as many as are asked for, never left half, the same whichever process goes on with it."""

from pathlib import Path

import optuna
import pytest

from ablate.costing import known_compute
from ablate.plan import sampled_cell
from ablate.search import optuna_storage
from ablate.search.seen import DRAWN, REASON, REPEATS, TRIAL
from tests.search.bench import CLUSTERS, KEEP, Bench, sampled
from tests.test_study import study


def test_a_proposal_is_open_until_its_record_is_there_whoever_made_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled())
    trial = bench.worker().propose()
    assert trial is not None
    assert trial.cell.params[KEEP] in (1.0, 0.8, 0.6)
    assert (trial.seed, bench.states()) == (0, ["RUNNING"])
    other = bench.worker()
    assert [t.name for t in other.open()] == [trial.name]
    bench.ledger.finish(trial)
    bench.sync(other)
    (stored,) = bench.stored()
    assert (stored.state.name, stored.user_attrs) == ("COMPLETE", {TRIAL: trial.name})
    assert stored.values == [
        bench.ledger.records[trial.name].value("mpjpe", "validation"),
        bench.ledger.records[trial.name].compute["inference_gmacs"],
    ]
    assert other.open() == []
    before = bench.path.read_bytes()
    bench.sync(bench.worker())
    assert bench.path.read_bytes() == before
    assert bench.ledger.loaded == [trial.name]


def test_a_search_gives_as_many_different_trials_as_are_asked_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled(trials=6))
    done = bench.run()
    assert len({t.name for t in done}) == len(done) == 6
    assert bench.worker().shortfall() == ""
    assert sum(state == "COMPLETE" for state in bench.states()) == 6


def test_open_proposals_count_so_that_workers_do_not_ask_for_too_many(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled(trials=3))
    found = [bench.worker().propose() for _ in range(5)]
    assert len({t.name for t in found if t}) == 3
    assert found[3:] == [None, None]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "nsga3", "qmc"])
def test_a_repeated_configuration_takes_the_next_seed_until_the_space_is_searched_out(
    sampler: str, tmp_path: Path
) -> None:
    """18 pairs in all: more than each sampler's random start, so its own proposals are among them."""
    bench = Bench(tmp_path, sampled(sampler, trials=50))
    done = bench.run()
    assert len({t.name for t in done}) == len(done) == 18
    for cell in {t.cell.id for t in done}:
        assert [t.seed for t in done if t.cell.id == cell] == [0, 1]
    named = [t.user_attrs.get(TRIAL) for t in bench.stored() if t.state.name == "COMPLETE"]
    assert sorted(filter(None, named)) == sorted(bench.ledger.records)
    assert "only 18 different trials of 50" in bench.worker().shortfall()
    # A repeated proposal without a seed left has no result of its own.
    assert all(t.state.name == "FAIL" for t in bench.stored() if REPEATS in t.user_attrs)
    before = len(bench.stored())
    assert bench.worker().propose() is None
    assert len(bench.stored()) == before


def test_a_sampler_whose_proposals_give_no_work_is_helped_by_chance(tmp_path: Path) -> None:
    """One point in twenty keeps to the bound."""
    wide = "  evaluate.hypotheses: {low: 1, high: 20}\nvariants:"
    text = sampled("nsga2", trials=4).replace("variants:", wide)
    cheap = sampled_cell(study(text), {KEEP: 1.0, CLUSTERS: 5, "evaluate.hypotheses": 1})
    bound = known_compute(cheap.configuration)["inference_gmacs"]
    bench = Bench(tmp_path, f"{text}constraints: [inference_gmacs <= {1.01 * bound:.9g}]\n")
    done = bench.run()
    assert [t.cell.params["evaluate.hypotheses"] for t in done] == [1] * 4
    drawn = [t for t in bench.stored() if DRAWN in t.user_attrs]
    assert drawn
    assert {t.user_attrs[TRIAL] for t in drawn} <= {t.name for t in done}


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "qmc"])
def test_processes_in_turn_search_as_one_would(sampler: str, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "many"]
    for folder in folders:
        folder.mkdir()
    one, many = (Bench(folder, sampled(sampler, trials=14)) for folder in folders)
    assert [t.name for t in one.run(one.worker())] == [t.name for t in many.run()]


def test_what_a_killed_process_left_half_is_closed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled())
    search = bench.worker()
    (name,) = optuna.get_all_study_names(storage=optuna_storage(bench.path))
    half = optuna.load_study(study_name=name, storage=optuna_storage(bench.path)).ask()
    half.suggest_categorical(KEEP, [1.0, 0.8, 0.6])
    assert search.open() == []
    bench.sync(search)
    assert bench.states() == ["FAIL"]
    assert len(bench.run()) == 6


def test_what_can_not_be_finished_is_told_and_may_be_tried_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled(trials=18))
    search = bench.worker()
    trial = search.propose()
    assert trial is not None
    for _ in range(2):
        bench.sync(bench.worker(), {trial.name: "the loss became infinite"})
    (stored,) = bench.stored()
    assert (stored.state.name, stored.user_attrs[REASON]) == ("FAIL", "the loss became infinite")
    assert search.open() == []
    assert [t.name for t in search.unfinished()] == [trial.name]
    bench.sync(search)
    assert [t.name for t in search.open()] == [t.name for t in search.unfinished()] == [trial.name]
    bench.sync(search, {trial.name: "again"})
    rest = []
    while (found := search.propose()) is not None:
        rest.append(found)
        bench.ledger.finish(found)
        bench.sync(search, {trial.name: "again"})
    # Another seed of a configuration that failed would fail as well.
    assert len(rest) == 16
    assert trial.cell.id not in {t.cell.id for t in rest}
    assert "1 failed" in search.shortfall()
    bench.ledger.finish(trial)
    bench.sync(search)
    names = [t.user_attrs[TRIAL] for t in bench.stored() if t.state.name == "COMPLETE"]
    assert sorted(names) == sorted(bench.ledger.records)


def test_a_search_in_which_everything_fails_ends(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled(trials=4))
    search, refused = bench.worker(), {}
    while (trial := search.propose()) is not None:
        refused[trial.name] = "out of memory"
        bench.sync(search, refused)
    assert len(refused) == 4


def test_a_seed_that_is_no_longer_asked_for_is_given_up(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled())
    left = bench.worker().propose()
    assert left is not None
    bench.study = study(sampled(trials=50).replace("[0, 1]", "[1]"))
    bench.sync(bench.worker())
    assert bench.worker().unfinished() == []
    done = bench.run()
    assert [t.seed for t in done] == [1] * 9
    assert left.cell.id in {t.cell.id for t in done}
    # Asked for again, it is open again.
    bench.study = study(sampled())
    search = bench.worker()
    bench.sync(search)
    assert [t.name for t in search.open()] == [left.name]
