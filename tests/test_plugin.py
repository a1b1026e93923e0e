"""Policies, models and datasets from files outside the package: run, hashed into the keys, refused where they won't do.

A plugin stays in its process, so every test has processes of its own.
"""

import itertools
import json
from pathlib import Path

import pytest

import models
from ablate.data.config import DATASETS
from models.pruning.config import POLICIES
from tests.conftest import TINY
from tests.plugins import FILES, GIVEN, LIGHT, MODEL, STUDY, python, records, written
from tests.test_cli import ablate, refused


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = written(tmp_path_factory.mktemp("plugins"))
    done = ablate("run", "s.yaml", *GIVEN, "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_policy_a_model_and_a_dataset_run(finished: Path) -> None:
    found = records(finished)
    assert set(found) == {"htp keep_ratio 0.6, clusters 3", "fastest", "refined rounds 1", "refined rounds 2", "d3dp"}
    own, fastest = found["htp keep_ratio 0.6, clusters 3"], found["fastest"]
    assert own.training_key == fastest.training_key  # elastic weights serve a policy that they never met
    assert list(own.arrays["strip/tcep"]) != list(fastest.arrays["strip/tcep"])
    assert own.data["speed"] == 0.5
    sizes = [found[label].compute["params_m"] or 0 for label in ("d3dp", "refined rounds 1", "refined rounds 2")]
    assert [round(1e6 * (b - a)) for a, b in itertools.pairwise(sizes)] == [51 * 52, 51 * 52]
    assert found["refined rounds 2"].compute["pass_gmacs_torch"] == pytest.approx(
        found["refined rounds 2"].compute["pass_gmacs"], rel=0.005
    )


def test_records_and_report_name_the_plugins(finished: Path) -> None:
    found = records(finished)
    hashes = python(
        "import hashlib, json; from pathlib import Path;"
        f"print(json.dumps([hashlib.sha256(Path(n).read_bytes()).hexdigest() for n in {list(FILES)}]))",
        cwd=finished,
    )
    policy, model, data = hashes
    assert found["d3dp"].config["plugins"] == [data]
    assert found["fastest"].config["plugins"] == sorted([data, policy])
    assert found["refined rounds 1"].config["plugins"] == sorted([data, model])
    named = ", ".join(f"{name} {digest[:8]}" for name, digest in zip(FILES, hashes, strict=True))
    assert {record.provenance["plugins"] for record in found.values()} == {named}
    report = (finished / "reports" / "quick" / "report.md").read_text()
    assert f"ablate run s.yaml {' '.join(f'--plugin {name}' for name in FILES)}\n" in report
    rows = [line for line in report.splitlines() if named in line]
    assert [row.split("|")[1].strip() for row in rows if row.startswith("|")] == ["plugins"]


def test_a_report_needs_the_plugins_and_says_so(finished: Path) -> None:
    told = refused(ablate("report", "s.yaml", cwd=finished))
    assert f"s.yaml:13:14: data.name: must be one of {', '.join(DATASETS)}, got 'slow'" in told
    assert f"must be one of {', '.join(POLICIES)}, got 'fastest'" in told
    assert f"must be one of {', '.join(models.MODELS)}, got 'refined'" in told
    assert ablate("report", "s.yaml", *GIVEN, cwd=finished).returncode == 0


def test_only_what_uses_a_plugin_is_run_again_when_it_changes(finished: Path, tmp_path: Path) -> None:
    def waiting(*given: str) -> int:
        done = ablate("--home", str(finished / ".ablate"), "status", "s.yaml", "--json", *given, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return int(json.loads(done.stdout)["waiting"])

    written(tmp_path)
    (tmp_path / "light.py").write_text(LIGHT)
    assert waiting(*GIVEN, "--plugin", "light.py") == 0
    for name, rows in (("fastest.py", 1), ("slow.py", 5)):
        (tmp_path / name).write_text(FILES[name] + "# another line\n")
        assert waiting(*GIVEN) == rows
        (tmp_path / name).write_text(FILES[name])


KEYS = """
import json, sys, ablate
from ablate.plan import expand
study = ablate.study("s.yaml", plugins=sys.argv[1:])
print(json.dumps({c.label: [c.id, c.training_key(0)] for c in expand(study)}))
"""


def test_keys_hold_the_content_of_what_shapes_the_weights(tmp_path: Path) -> None:
    variant = "light: {set: {model.pruning.tcep.policy: light}}"
    each = TINY.replace("mode: elastic", "mode: each").replace("variants:\n", f"variants:\n  {variant}\n")
    written(tmp_path, each)
    (tmp_path / "light.py").write_text(LIGHT)
    before = python(KEYS, "light.py", cwd=tmp_path)
    (tmp_path / "light.py").write_text(f"{LIGHT}# another line\n")
    after = python(KEYS, "light.py", cwd=tmp_path)
    assert {label for label in before if before[label] != after[label]} == {"light"}
    assert all(one != other for one, other in zip(before["light"], after["light"], strict=True))
    (tmp_path / "s.yaml").write_text(each.replace(f"  {variant}\n", ""))
    package = python(KEYS, cwd=tmp_path)
    assert package == {label: keys for label, keys in before.items() if label != "light"}


def test_two_networks_with_settings_of_one_kind_share_no_weights(tmp_path: Path) -> None:
    """Same file, same values: only which network it is differs."""
    twin = MODEL.replace('"refined": Entry(', '"twin": Entry(config=Twin, **rest), "refined": Entry(').replace(
        "MODELS = {",
        "class Twin(Refined):\n    pass\n\nrest = dict(lifter=Lifter, cost=cost, about='', changes='', paper='')\n"
        "MODELS = {",
    )
    study = STUDY.replace("variants:\n", "variants:\n  twin: {set: {model.name: twin, train.mode: each}}\n")
    written(tmp_path, study)
    (tmp_path / "refined.py").write_text(twin)
    keys = python(KEYS, *FILES, cwd=tmp_path)
    assert keys["twin"][1] != keys["refined rounds 1"][1]


def test_weights_of_a_plugins_model_need_the_plugin(finished: Path) -> None:
    key = records(finished)["refined rounds 2"].training_key
    script = f"""
import json, models
path = ".ablate/weights/{key}.safetensors"
try:
    models.load(path)
except ValueError as error:
    told = str(error)
from ablate.plugin import load
load("refined.py")
load("refined.py")
lifter = models.load(path)
again = models.weights.serialised(lifter)
print(json.dumps([told, lifter.config.rounds, len(lifter.denoiser.refine), len(again)]))
"""
    told, rounds, layers, size = python(script, cwd=finished)
    assert "holds weights of 'refined', no name in the zoo; load the plugin that has it" in told
    assert (rounds, layers) == (2, 2)
    assert size > 0
