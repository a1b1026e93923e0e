"""What a search goes by: bounds, objectives, and every record that answers its question."""

from pathlib import Path

import optuna
import pytest

from ablate.costing import known_compute
from ablate.plan import Trial, expand, sampled_cell, trials
from ablate.search import optuna_storage
from ablate.search.seen import REASON, TRIAL
from tests.conftest import TINY
from tests.search.bench import CLUSTERS, KEEP, Bench, sampled
from tests.test_study import study


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
