"""The search: made from results, never left half, and the same whichever process goes on with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import optuna
import pytest

from ablate.costing import known_compute
from ablate.errors import StorageError
from ablate.plan import Trial, expand, sampled_cell, trials
from ablate.records import Metric, Record
from ablate.search import Search, optuna_storage
from ablate.search.seen import DRAWN, REASON, REPEATS, TRIAL
from ablate.study import Study
from tests.conftest import TINY
from tests.test_records import record
from tests.test_study import study

KEEP, CLUSTERS = "model.pruning.tcep.keep_ratio", "model.pruning.mgptp.clusters"


def sampled(sampler: str = "tpe", trials: int = 6, more: str = "", text: str = TINY) -> str:
    text = text.replace("seeds: [0, 1]", f"sampler: {sampler}\ntrials: {trials}\nseeds: [0, 1]\n{more}")
    return text.replace("[1.0, 0.6]", "[1.0, 0.8, 0.6]").replace("[5, 3]", "[5, 4, 3]")


class Ledger:
    """Records in memory, made without training: the error falls with what is kept."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.loaded: list[str] = []

    def finish(self, trial: Trial, **compute: float) -> None:
        cell, known = trial.cell, known_compute(trial.cell.configuration)
        head = {"unit": "mm", "input": "gt", "aggregation": "mean", "oracle": False, "protocol": "exact"}
        error = Metric(
            metric="mpjpe",
            value=90 - 100 * known["inference_gmacs"] + trial.seed,
            split="validation",
            hypotheses=1,
            step=1,
            steps=1,
            **head,  # type: ignore[arg-type]
        )
        numbers = {"latency_ms": 3.0, **known, **compute}
        made = record(
            trial.seed, trial=cell.id, group=cell.group, params=cell.params, metrics=(error,), compute=numbers
        )
        self.records[made.name] = made

    def load(self, names: Iterable[str]) -> Iterator[Record]:
        for name in names:
            self.loaded.append(name)
            yield self.records[name]


class Bench:
    """A study with its search on a real journal; ``worker`` is what a new process would have."""

    def __init__(self, folder: Path, text: str) -> None:
        self.study: Study = study(text)
        self.path = folder / "optuna.journal"
        self.ledger = Ledger()

    def worker(self) -> Search:
        return Search(self.study, expand(self.study), optuna_storage(self.path))

    def sync(self, search: Search, refused: dict[str, str] | None = None) -> None:
        search.sync(list(self.ledger.records), self.ledger.load, refused or {})

    def run(self, search: Search | None = None) -> list[Trial]:
        """Propose and finish until nothing is left, with a new process each time unless one is given."""
        done: list[Trial] = []
        while True:
            at = search or self.worker()
            self.sync(at)
            trial = at.propose()
            if trial is None:
                return done
            done.append(trial)
            self.ledger.finish(trial)

    def stored(self) -> list[optuna.trial.FrozenTrial]:
        (name,) = optuna.get_all_study_names(storage=optuna_storage(self.path))
        return optuna.load_study(study_name=name, storage=optuna_storage(self.path)).get_trials()

    def states(self) -> list[str]:
        return [t.state.name for t in self.stored()]


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


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "nsga3", "gp", "qmc"])
def test_nothing_over_a_known_bound_is_proposed(sampler: str, tmp_path: Path) -> None:
    free = Bench(tmp_path, sampled(sampler))
    costs = {
        (keep, clusters): known_compute(sampled_cell(free.study, {KEEP: keep, CLUSTERS: clusters}).configuration)[
            "inference_gmacs"
        ]
        for keep in (1.0, 0.8, 0.6)
        for clusters in (5, 4, 3)
    }
    bound = sorted(costs.values())[4]
    more = f"constraints: [inference_gmacs <= {bound:.6g}1]"
    bench = Bench(tmp_path, sampled(sampler, trials=50, more=more))
    done = bench.run()
    assert len(done) == 2 * sum(cost <= bound for cost in costs.values()) < 18
    assert max(costs[t.cell.params[KEEP], t.cell.params[CLUSTERS]] for t in done) == bound
    pruned = [t for t in bench.stored() if t.state.name == "PRUNED"]
    assert pruned
    for t in pruned:
        assert max(t.constraints.values()) > 0
        assert "against inference_gmacs <= " in t.user_attrs[REASON]
    assert "could not be run" in bench.worker().shortfall()


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "nsga3", "gp"])
def test_measured_bounds_are_told_to_samplers_that_learn_them(sampler: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled(sampler, trials=12, more="constraints: [latency_ms <= 2, fps >= 10]"))
    search = bench.worker()
    for _ in range(12):
        trial = search.propose()
        assert trial is not None
        bench.ledger.finish(trial, latency_ms=3.0 if trial.seed else 1.0, fps=8.0 if trial.seed else 20.0)
        bench.sync(search)
    for t in bench.stored():
        if t.state.name == "COMPLETE":
            slow = t.user_attrs[TRIAL].endswith("-s1")
            assert t.constraints == {
                "latency_ms <= 2": 0.5 if slow else -0.5,
                "fps >= 10": pytest.approx(0.2 if slow else -1.0),
            }


def test_speed_is_maximised(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled(more="objectives: [validation_p_mpjpe_mm, fps]"))
    search = bench.worker()
    (name,) = optuna.get_all_study_names(storage=optuna_storage(bench.path))
    held = optuna.load_study(study_name=name, storage=optuna_storage(bench.path))
    assert [d.name for d in held.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert held.metric_names == ["validation_p_mpjpe_mm", "fps"]
    trial = search.propose()
    assert trial is not None
    bench.ledger.finish(trial, fps=100.0)  # without a P-MPJPE
    bench.sync(search)
    (stored,) = bench.stored()
    assert stored.state.name == "FAIL"
    assert "lacks a number" in stored.user_attrs[REASON]
    bench.sync(search)
    assert len(bench.stored()) == 1


def test_planned_results_are_adopted_once_and_variants_stay_out(tmp_path: Path) -> None:
    bench = Bench(tmp_path, TINY)
    for trial in trials(bench.study, expand(bench.study)):
        bench.ledger.finish(trial)
    own = [name for name, r in bench.ledger.records.items() if r.group == "htp"]
    bench.ledger.finish(Trial(expand(study(TINY.replace("epochs: 1", "epochs: 2")))[0], 0))  # of another base
    for _ in range(2):
        bench.sync(bench.worker())
    stored = bench.stored()
    assert len(own) == 8
    assert sorted(t.user_attrs[TRIAL] for t in stored) == sorted(own)
    assert {t.params[KEEP] for t in stored} == {1.0, 0.6}


def test_a_lost_search_is_made_again_from_the_records(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled(trials=5))
    bench.run()
    before = {t.user_attrs[TRIAL]: (t.params, t.values) for t in bench.stored() if t.state.name == "COMPLETE"}
    bench.path.unlink()
    bench.sync(bench.worker())
    assert {t.user_attrs[TRIAL]: (t.params, t.values) for t in bench.stored()} == before
    assert bench.worker().propose() is None


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ("[5, 4, 3]", "[5, 4, 2]", "some"),
        ("epochs: 1", "epochs: 2", "none"),
        ("sampler: tpe", "sampler: tpe\nobjectives: [validation_mpjpe_mm]", "all"),
        ("sampler: tpe", "sampler: tpe\nconstraints: [params_m <= 9]", "all"),
    ],
)
def test_a_changed_question_is_another_search_of_what_still_answers_it(
    old: str, new: str, kept: str, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, sampled())
    bench.run()
    assert old in sampled()
    bench.study = study(sampled(trials=30).replace(old, new))
    search = bench.worker()
    assert len(optuna.get_all_study_names(storage=optuna_storage(bench.path))) == 2
    bench.sync(search)
    of_both = sum(r.params[CLUSTERS] in (5, 4) for r in bench.ledger.records.values())
    count = {"none": 0, "some": of_both, "all": 6}[kept]
    assert 0 < of_both < 6
    assert f"only {count} different trials of 30" in search.shortfall()
    bench.study = study(sampled())
    assert bench.worker().shortfall() == ""


def test_ranges_are_searched_and_told_apart_in_tables(tmp_path: Path) -> None:
    text = sampled("tpe", trials=12).replace("[5, 4, 3]", "{low: 2, high: 5}")
    text = text.replace("[1.0, 0.8, 0.6]", "{low: 0.6, high: 1.0}")
    text = text.replace("variants:", "  train.elastic.dense_share: {low: 0.1, high: 0.45, step: 0.1}\nvariants:")
    bench = Bench(tmp_path, text)
    done = bench.run()
    assert len({t.cell.label for t in done}) == len({t.cell.id for t in done})
    for t in done:
        assert isinstance(t.cell.params[CLUSTERS], int)
        assert t.cell.params["train.elastic.dense_share"] in (0.1, 0.2, 0.3, 0.4)
        assert 0.6 <= t.cell.params[KEEP] <= 1
        assert t.cell.params[KEEP] == round(t.cell.params[KEEP], 4)
    bench.path.unlink()
    bench.sync(bench.worker())
    assert len(bench.stored()) == 12


def test_what_can_not_be_run_is_passed_over(tmp_path: Path) -> None:
    """Of a continuum only the ends are checked beforehand, and three heads can't share a width of 16."""
    text = sampled(trials=60).replace("[5, 4, 3]", "[5]").replace("[1.0, 0.8, 0.6]", "[1.0, 0.8]")
    text = text.replace("variants:", "  model.heads: {low: 2, high: 4}\nvariants:")
    twin = f"{{set: {{{KEEP}: 0.8, {CLUSTERS}: 5, model.heads: 4}}}}"
    bench = Bench(tmp_path, text.replace("variants:", f"variants:\n  twin: {twin}"))
    done = bench.run()
    assert len(done) == 6
    assert {t.cell.params["model.heads"] for t in done} == {2, 4}
    reasons = {t.user_attrs[REASON] for t in bench.stored() if REASON in t.user_attrs}
    assert reasons == {"model.heads: must divide the width 16, got 3", "the same configuration as 'twin'"}


def test_a_database_holds_a_search_as_well(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    bench = Bench(tmp_path, sampled(trials=3, more="constraints: [latency_ms <= 2]"))

    def worker() -> Search:
        return Search(bench.study, expand(bench.study), optuna_storage(url))

    first, *_ = [worker().propose() for _ in range(4)]
    assert first is not None
    bench.ledger.finish(first)
    bench.sync(worker(), {t.name: "failed" for t in worker().open() if t.name != first.name})
    bench.sync(worker())
    assert len(worker().open()) == 2
    assert worker().propose() is None
    with pytest.raises(StorageError, match=r"\*\*\*@nowhere.*can't open it"):
        optuna_storage("postgresql+psycopg://user:secret@nowhere.invalid/x")


def test_a_line_that_was_cut_short_does_not_spoil_the_journal(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled())
    bench.run()
    whole = bench.path.read_bytes()
    with bench.path.open("ab") as file:
        file.write(b'{"op_code":4,"worker')
    states = bench.states()
    search = bench.worker()
    bench.study = study(sampled(trials=8))
    assert bench.worker().propose() is not None
    assert bench.path.read_bytes().startswith(whole)
    assert (bench.states()[: len(states)], bench.states()[-1]) == (states, "RUNNING")
    assert len(search.open()) == 1
    bench.path.write_bytes(b"spoilt\n" + whole)
    with pytest.raises(StorageError, match="made again from the records"):
        bench.worker()


HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "rb+")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled())
    search = bench.worker()
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(bench.path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    assert search.propose() is not None
    assert [p.name for p in tmp_path.iterdir()] == ["optuna.journal"]


def test_a_storage_that_vanishes_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sampled())
    search = bench.worker()
    bench.path.unlink()
    with pytest.raises(StorageError, match=r"can't reach its storage.*optuna\.journal"):
        search.propose()
    with pytest.raises(StorageError, match="can't be opened"):
        optuna_storage(tmp_path / "missing" / "optuna.journal")
