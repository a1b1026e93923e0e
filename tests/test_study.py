"""Study files: what is valid, and how every problem is told."""

import json
from pathlib import Path

import pytest

from ablate.errors import InputError, StudyError
from ablate.loading import Study, check, load, parse_settings
from ablate.plan import expand
from ablate.source import parse
from tests.conftest import ROOT, TINY

STUDIES = sorted((ROOT / "studies").glob("*.yaml"))


def study(text: str = TINY) -> Study:
    return check(parse(text, "s.yaml"))


def problems(text: str) -> list[str]:
    with pytest.raises(StudyError) as caught:
        expand(study(text))
    return list(caught.value.problems)


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_every_shipped_study_is_valid_and_says_what_to_expect(path: Path) -> None:
    loaded = load(path)
    assert expand(loaded)
    assert loaded.name == path.stem
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    for word in ("Question", "Command", "Expect", "Time"):
        assert any(line.startswith(f"# {word}") for line in header), f"{path.name} has no '# {word}' line"


def test_a_shipped_study_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load("pruning_ratio").name == "pruning_ratio"
    with pytest.raises(InputError, match="did you mean 'pruning_ratio'"):
        load("pruning_ratios")


@pytest.mark.parametrize(
    ("old", "new", "place", "text"),
    [
        ("epochs: 1", "epohs: 1", "12:24", "unknown key 'epohs'; did you mean 'epochs'?"),
        ("name: htp,", "name: htpp,", "4:15", "did you mean 'htp'?"),
        ("epochs: 1", "epochs: many", "12:32", "train.epochs: input should be a valid integer, got 'many'"),
        ("epochs: 1", "epochs: true", "12:32", "train.epochs: input should be a valid integer, got True"),
        ("[1.0, 0.6]", "[1.0, 0]", "6:40", "must lie in (0, 1], got 0"),
        ("[1.0, 0.6]", "[1.0, 1.5]", "6:40", "must lie in (0, 1], got 1.5"),
        ("[5, 3]", "[5, 12]", "7:37", "must lie in 2..9 (the window has 9 frames), got 12"),
        ("[1.0, 0.6]", "[0.4]", "7:34", "asks for 5 clusters, but TCEP keeps only 4 of 9 frames"),
        ("tcep.keep_ratio", "tcep.keep_ration", "6:3", "did you mean 'keep_ratio'?"),
        ("model.pruning.tcep", "model.prunning.tcep", "6:3", "unknown key 'prunning'; did you mean 'pruning'?"),
        ("heads: 2", "heads: 3", "4:50", "must divide the width 16, got 3"),
        ("model.name: d3dp, train.mode: each", "model.name: d3dp", "12:15", "d3dp prunes nothing; use each"),
        ("baseline: d3dp", "baseline: d3db", "3:11", "is no row of this study; did you mean 'd3dp'?"),
        ("seeds: [0, 1]", "seeds: [1, 1]", "10:8", "a seed is given twice"),
        ("seeds: [0, 1]", "seeds: []", "10:8", "at least 1"),
        ("seeds: [0, 1]", "trials: 3", "10:1", "takes no `trials`"),
        ("seeds: [0, 1]", "sampler: tpe", "10:1", "needs `trials`"),
        ("question: Does it run?\n", "", "1:1", "question: is required"),
        ("model.pruning.tcep.keep_ratio: [1.0, 0.6]", "model.size: [tiny, smal]", "6:22", "did you mean 'small'?"),
        ("model.pruning.tcep.keep_ratio: [1.0, 0.6]", "model.size: [[tiny]]", "6:16", "must be one of tiny, small"),
        ("model.pruning.tcep.keep_ratio: [1.0, 0.6]", "model.name: [[htp]]", "6:16", "must be one of mixste, d3dp"),
        ("model.pruning.tcep.keep_ratio: [1.0, 0.6]", "model.host: [[d3dp]]", "6:16", "must be one of mixste, d3dp"),
        ("model.pruning.tcep.keep_ratio: [1.0, 0.6]", "model.host: [mixst]", "6:16", "did you mean 'mixste'?"),
        ("name: htp,", "name: htp, host: d3db,", "4:26", "did you mean 'd3dp'?"),
        ("name: htp,", "name: htp, host: htp_fast,", "4:26", "must be one of mixste, d3dp"),
        ("model.name: d3dp,", "model.name: d3dp, model.host: mixste,", "9:46", "must be one of d3dp, got 'mixste'"),
        ("model.name: d3dp,", "model.name: mixste,", "13:24", "mixste is deterministic, it has one hypothesis"),
        ("name: htp,", "name: htp, timestep: 9,", "4:20", "did you mean 'timesteps'?"),
        ("model.name: d3dp,", "model.timestep: 9,", "9:16", "did you mean 'timesteps'?"),
        ("model.name: d3dp,", "model.host: mixste, model.timesteps: 9,", "9:36", "unknown key 'timesteps'"),
        ("tcep.keep_ratio: [1.0, 0.6]", "tcep.embed_places: [true]", "6:37", "elastic weights serve every count"),
        ("mode: elastic", "mode: elastic, elastic: {policies: [dpc_knn]}", "12:44", "clustering has to follow"),
        ("mode: elastic", "mode: elastic, elastic: {policies: [uniform, merge]}", "12:44", "and no mgptp"),
        ("mode: elastic", "mode: elastic, elastic: {stages: {tcep: {}}}", "4:8", "trains as mgptp; make them equal"),
        ("mode: elastic", "mode: elastic, elastic: {stages: {schedule: coarse_to_fine}}", "12:53", "no denoising"),
        ("evaluate: {", "evaluate: {low_pass: 10, ", "13:22", "is a count of a window's 9 frames, got 10"),
        ("evaluate: {", "evaluate: {low_pass: 1, ", "13:22", "must be at least 2, got 1"),
        ("model.pruning.tcep.keep_ratio: [1.0, 0.6]", "model.depth: [[2], 0]", "6:17", "valid integer, got [2]"),
        (
            "[1.0, 0.6]",
            "[1.0]\n  evaluate.protocol: [exact, reference]",
            "7:30",
            "can't be compared, and every evaluation",
        ),
        ("model.name: d3dp,", "evaluate.protocol: reference, model.name: d3dp,", "9:35", "set it once for all rows"),
        ("[1.0, 0.6]", "{low: 0.2, high: 1.0}", "6:3", "only a sampler searches a continuum"),
        ("[1.0, 0.6]", "{low: 1.0, high: 0.2, step: 0.1}", "6:3", "low must lie below high, got 1 and 0.2"),
        ("[1.0, 0.6]", "{low: 0.6, high: 1.0, step: 0}", "6:3", "step must be positive, got 0"),
        (
            "[1.0, 0.6]",
            "{low: 0.6, high: 1.0, step: 1.0e-9}",
            "6:3",
            "lists more than 100,000 values; make",
        ),
        ("[1.0, 0.6]", "{low: 0.6, high: 0.60000000002, step: 1.0e-11}", "6:3", "counted to ten decimals; give a list"),
        ("[1.0, 0.6]", "{low: 0.6, high: 1.0, step: 0.1, log: true}", "6:3", "log and step exclude each other"),
        ("seeds: [0, 1]", "objectives: [fps]", "10:1", "only a sampler has objectives"),
        ("seeds: [0, 1]", "design: one_factor\ntrials: 3", "11:1", "`design: one_factor` runs all its cells"),
        ("seeds: [0, 1]", "design: components", "10:1", "needs `components`"),
        ("seeds: [0, 1]", "design: factor", "10:9", "one of grid, random, one_factor, components, got 'factor'"),
        ("seeds: [0, 1]", "sampler: tbe", "10:10", "did you mean 'tpe'?"),
        ("seeds: [0, 1]", "constraints: [inference_gmac <= 6]", "10:15", "did you mean 'inference_gmacs'?"),
        ("seeds: [0, 1]", "constraints: [params_m < 6]", "10:15", "'params_m < 6': write NAME <= NUMBER or"),
        ("seeds: [0, 1]", "constraints: [params_m <= many]", "10:15", "write NAME <= NUMBER or"),
        ("seeds: [0, 1]", "constraints: [fps >= 9]", "10:15", "a plan is made before anything is measured"),
        ("seeds: [0, 1]", "constraints: [params_m <= 6, params_m<=6.0]", "10:30", "given twice"),
        ("seeds: [0, 1]", "constraints: [test_mpjpe_mm <= 6]", "10:15", "did you mean 'validation_mpjpe_mm'?"),
        ("question: Does", "name: again\nquestion: Does", "2:1", "key 'name' is given twice"),
        ("seeds: [0, 1]", "seeds: [0, 1", "11:5", "not valid YAML"),
    ],
)
def test_each_problem_says_where_what_and_the_mend(old: str, new: str, place: str, text: str) -> None:
    assert old in TINY
    found = problems(TINY.replace(old, new, 1))
    assert any(line.startswith(f"s.yaml:{place}: ") and text in line for line in found), found


def test_what_elastic_training_may_draw_has_to_go_together() -> None:
    def drawing(elastic: str, swept: str) -> str:
        text = TINY.replace("mode: elastic", f"mode: elastic, elastic: {{{elastic}}}")
        return text.replace("model.pruning.tcep.keep_ratio: [1.0, 0.6]", swept)

    (told,) = problems(drawing("policies: [random, attention]", "model.pruning.tcep.before_pair: [0]"))
    assert "attention can't be drawn: pruning.tcep.before_pair: must be at least 1" in told
    subsets = problems(drawing("policies: [merge], stages: {tcep: {}, sft: {}}", "model.pruning.mgptp: [null]"))
    assert any("merge can't be drawn: pruning.tcep.policy" in text for text in subsets)  # a step may draw no sft
    study(drawing("policies: [dpc_knn]", "model.pruning.mgptp.source: [tokens]"))


@pytest.mark.parametrize(
    ("more", "place", "text"),
    [
        ("objectives: [test_mpjpe_mm]", "12:14", "the test split is only reported, nothing is chosen by it"),
        ("objectives: [validation_mpjpe_mm_p_best_oracle]", "12:14", "an oracle knows the ground truth"),
        ("objectives: [validation_mpjpe]", "12:14", "unknown number 'validation_mpjpe'; did you mean"),
        ("objectives: [zzz]", "12:14", "the numbers are validation_mpjpe_mm, validation_p_mpjpe_mm"),
        ("objectives: [fps, fps]", "12:19", "given twice"),
        ("objectives: []", "12:13", "at least 1"),
        ("objectives: [latency_ms]\nmeasure: {latency: false}", "12:14", "set measure.latency to true"),
        ("objectives: [pass_gmacs_torch]\nmeasure: {counters: false}", "12:14", "or use pass_gmacs"),
        ("design: grid", "10:1", "give a design or a sampler, not both"),
        ("constraints: [latency_ms <= 3]", "12:15", "qmc looks at no result"),
    ],
)
def test_a_search_goes_by_what_it_may(more: str, place: str, text: str) -> None:
    base = TINY.replace("measure: {repeats: 1, warmup: 0}\n", "") if "measure:" in more else TINY
    found = problems(base.replace("seeds: [0, 1]", f"sampler: qmc\ntrials: 3\n{more}"))
    assert any(line.startswith(f"s.yaml:{place}: ") and text in line for line in found), found


def test_a_large_searched_space_is_checked_value_by_value() -> None:
    paths = ["batch", "epochs", "validate_every", "devices"]
    wide = "".join(f"  train.{path}: {{low: 0, high: 99, step: 1}}\n" for path in paths)
    text = TINY.replace("sweep:\n", f"sweep:\n{wide}").replace("seeds: [0, 1]", "sampler: tpe\ntrials: 3")
    assert {line.split(": ", 2)[1] for line in problems(text)} == {f"train.{path}" for path in paths}


def test_a_continuum_belongs_to_the_searched_space_alone() -> None:
    variant = "dense: {set: {train.epochs: 2}, sweep: {model.heads: {low: 1, high: 2}}}"
    text = TINY.replace("variants:\n", f"variants:\n  {variant}\n").replace("seeds: [0, 1]", "sampler: tpe\ntrials: 3")
    assert "only a sampler searches a continuum" in problems(text)[0]
    inner = TINY.replace("[1.0, 0.6]", "{low: 0, high: 1.0, log: true}").replace(
        "seeds: [0, 1]", "sampler: tpe\ntrials: 3"
    )
    assert any("a log range starts above zero, got 0" in line for line in problems(inner))


def test_all_problems_come_at_once() -> None:
    text = TINY.replace("epochs: 1", "epohs: 1").replace("size: tiny", "size: tny").replace("cameras: 1", "camera: 1")
    assert len(problems(text)) == 3


def test_yaml_reads_numbers_and_words_as_meant() -> None:
    text = TINY.replace("epochs: 1", "epochs: 1, learning_rate: 3e-4").replace("Does it run?", "no")
    loaded = study(text)
    assert loaded.file.train.learning_rate == 3e-4
    assert loaded.file.question == "no"


def test_tags_in_a_file_run_nothing() -> None:
    found = problems(TINY.replace("question: Does it run?", "question: !!python/object/apply:os.system [exit 1]"))
    assert any("question" in line for line in found)


def test_settings_override_and_are_named_in_problems() -> None:
    loaded = check(parse(TINY, "s.yaml"), parse_settings(["train.epochs=7", "data.cameras=2"]))
    assert (loaded.file.train.epochs, loaded.file.data.cameras) == (7, 2)
    with pytest.raises(StudyError, match=r"^--set train\.epoch: unknown key 'epoch'"):
        check(parse(TINY, "s.yaml"), parse_settings(["train.epoch=7"]))
    with pytest.raises(StudyError, match="write it as path=value"):
        parse_settings(["train.epochs"])


def test_an_alternative_replaces_the_presets_own() -> None:
    text = TINY.replace("model.pruning.tcep.keep_ratio: [1.0, 0.6]", "model.pruning.tcep.keep_frames: [9, 6]")
    kept = [c.configuration.model.pruning for c in expand(study(text)) if c.group == "htp"]
    assert [p.tcep.keep_frames for p in kept if p and p.tcep] == [9, 9, 6, 6]
    assert all(p.tcep.keep_ratio is None for p in kept if p and p.tcep)


def test_the_schema_is_json_and_names_the_keys() -> None:
    from ablate.schema import StudyFile

    text = json.dumps(StudyFile.model_json_schema())
    for key in ("keep_ratio", "clusters", "sampler", "clip_seconds", "without", "objectives", "constraints"):
        assert f'"{key}"' in text
    for value in ("one_factor", "leave_one_out", "nsga3"):
        assert f'"{value}"' in text
