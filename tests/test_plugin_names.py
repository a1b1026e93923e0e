"""What a plugin's names are in other processes and commands, and which plugins are refused.

A plugin stays in its process, so every test has processes of its own.
"""

import json
import re
from pathlib import Path

import pytest

from tests.conftest import TINY
from tests.plugins import GIVEN, LIGHT, MODEL, POLICY, python, records, written
from tests.test_cli import ablate, refused


@pytest.mark.slow
def test_workers_have_the_plugins(tmp_path: Path) -> None:
    written(tmp_path)
    done = ablate("run", "s.yaml", *GIVEN, "--workers", "2", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(records(tmp_path)) == 5


def test_an_order_takes_plugins_along_as_they_were(tmp_path: Path) -> None:
    """To a process, or a machine, where the file is another by now."""
    script = """
import json, pickle, sys, ablate
from pathlib import Path
from ablate.crew import Order
from ablate.plan import expand
from ablate.workspace import Workspace
if sys.argv[1:]:
    order = pickle.loads(Path("order").read_bytes())
    for plugin in order.plugins:
        plugin.load()
    study = order.study
else:
    study = ablate.study("s.yaml", plugins=["light.py"])
    Path("order").write_bytes(pickle.dumps(Order.of(study, Workspace())))
print(json.dumps([c.id for c in expand(study)]))
"""
    written(tmp_path, TINY.replace("variants:\n", "variants:\n  light: {set: {model.pruning.tcep.policy: light}}\n"))
    (tmp_path / "light.py").write_text(LIGHT)
    first = python(script, cwd=tmp_path)
    (tmp_path / "light.py").write_text(LIGHT.replace("None", "count"))
    assert python(script, "again", cwd=tmp_path) == first


def test_zoo_profile_and_schema_show_what_a_plugin_brings(tmp_path: Path) -> None:
    written(tmp_path)
    entries = json.loads(ablate("zoo", "--json", *GIVEN, cwd=tmp_path).stdout)["models"]
    assert [e["size"] for e in entries if e["model"] == "refined"] == ["tiny", "small", "base"]
    assert "refined" in {e["host"] for e in entries if e["model"] == "htp"}
    told = ablate("profile", "refined", "--size=tiny", "--set=model.rounds=3", "--json", *GIVEN, cwd=tmp_path)
    assert json.loads(told.stdout)["params_m"] == pytest.approx(
        3 * 51 * 52 / 1e6 + next(e["params_m"] for e in entries if (e["model"], e["size"]) == ("d3dp", "tiny"))
    )
    schema = ablate("schema", *GIVEN, cwd=tmp_path).stdout
    assert all(f'"{name}"' in schema for name in ("refined", "fastest", "slow", "tcep", "cmu", "htp"))


def test_a_models_own_settings_are_checked_like_the_others(tmp_path: Path) -> None:
    own = TINY.replace("{name: htp,", "{name: refined, rounds: 2,").replace("mode: elastic", "mode: each")
    own = re.sub(r"sweep:\n.*\n.*\n", "sweep: {model.rounds: [1, 2]}\n", own).replace(
        "{model.name: d3dp, train.mode: each}",
        "{model: {name: d3dp, size: tiny, width: 16, heads: 2, frames: 9}}",
    )
    written(tmp_path, own)
    done = ablate("validate", "s.yaml", *GIVEN, cwd=tmp_path)
    assert "valid, 3 configurations" in done.stdout, done.stderr
    (tmp_path / "s.yaml").write_text(own.replace(" rounds: 2", " rouns: 2"))
    assert "s.yaml:4:24: unknown key 'rouns'; did you mean 'rounds'?" in refused(
        ablate("validate", "s.yaml", *GIVEN, cwd=tmp_path)
    )
    (tmp_path / "s.yaml").write_text(own.replace(" rounds: 2", " rounds: many"))
    assert "model.rounds: input should be a valid integer" in refused(
        ablate("validate", "s.yaml", *GIVEN, cwd=tmp_path)
    )


def test_a_cost_that_is_not_the_networks_fails(tmp_path: Path) -> None:
    (tmp_path / "refined.py").write_text(MODEL.replace(" cost=cost,", ""))
    done = ablate("profile", "refined", "--size", "tiny", "--plugin", "refined.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "the cost formula and the network have grown apart" in done.stderr


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("p.txt", POLICY, "--plugin p.txt: a plugin is a Python file, its name ends in .py"),
        ("p.py", None, "--plugin p.py: can't be read (No such file or directory)"),
        ("p.py", "x = 1\n", "p.py: declares no MODELS, POLICIES, DATASETS"),
        ("p.py", "from models import MODELS\n", "p.py: declares no MODELS, POLICIES, DATASETS"),
        ("p.py", "from models import MODELS\nMODELS['mine'] = MODELS['htp']\n", "p.py: changes the package's MODELS"),
        ("p.py", "x = 1\n\ny = x / 0\n", "p.py:3: ZeroDivisionError: division by zero"),
        ("p.py", "x = 1\ndef f(:\n", "p.py:2: SyntaxError: invalid syntax"),
        ("p.py", "import sys\nsys.exit(0)\n", "p.py:2: SystemExit: 0"),
        ("p.py", "import json\njson.loads('{')\n", "p.py:2: JSONDecodeError"),
        ("p.py", "POLICIES = {'tcep': print}\n", "p.py: POLICIES['tcep']: is one of the package already"),
        ("p.py", "POLICIES = {'ok': 3}\n", "p.py: POLICIES['ok']: must be a function, got 3"),
        ("p.py", "POLICIES = [print]\n", "p.py: POLICIES: must be a dict whose keys are names"),
        ("p.py", "DATASETS = {'no name': print}\n", "p.py: DATASETS: must be a dict whose keys are names"),
        ("p.py", "MODELS = {'mine': print}\n", "p.py: MODELS['mine']: must be a models.Entry"),
        (
            "p.py",
            "import dataclasses, models\nMODELS = {'mine': dataclasses.replace(models.MODELS['htp'], lifter=print)}\n",
            "p.py: MODELS['mine']: D3DP belongs to another lifter or cost; derive a config of its own from it",
        ),
        (
            "p.py",
            MODEL.replace("rounds: int = 1", "rounds: int"),
            "p.py: MODELS['refined']: Refined.rounds needs a default",
        ),
    ],
)
def test_what_will_not_do_is_refused(name: str, text: str | None, told: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    assert told in refused(ablate("zoo", "--plugin", name, cwd=tmp_path))


def test_names_clash_with_another_plugins_or_with_its_own_of_before(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(f"POLICIES = {{'mine': print}}  # {name}\n")
    told = refused(ablate("zoo", "--plugin", "a.py", "--plugin", "b.py", cwd=tmp_path))
    assert "b.py: POLICIES['mine']: is in a.py already; choose another name" in told
    script = """
import json
from pathlib import Path
from ablate.errors import InputError
from ablate.plugin import load
load("a.py")
Path("a.py").write_text("POLICIES = {'mine': len}")
try:
    load("a.py")
except InputError as error:
    print(json.dumps(str(error)))
"""
    assert "was loaded before the file was changed; start Python anew" in python(script, cwd=tmp_path)


def test_a_preset_of_ones_own_is_a_model_too(tmp_path: Path) -> None:
    (tmp_path / "mild.py").write_text(
        "from dataclasses import replace\nfrom functools import partial\n"
        "from models import MODELS as ZOO\nfrom models.pruning.config import three_stages\n"
        "MODELS = {'mild': replace(ZOO['htp'], preset=partial(three_stages, keep=0.9, clusters=0.8))}\n"
    )
    entries = json.loads(ablate("zoo", "--json", "--plugin", "mild.py", cwd=tmp_path).stdout)["models"]
    gmacs = {e["model"]: e["pass_gmacs"] for e in entries if (e["size"], e["host"]) == ("base", "d3dp")}
    assert gmacs["htp"] < gmacs["mild"] < gmacs["d3dp"]


def test_a_policy_that_looks_at_tokens_is_counted_in_every_pass(tmp_path: Path) -> None:
    (tmp_path / "few.py").write_text(
        "import torch\nfrom models.pruning.config import ByTokens\n"
        "def first(x_BFJC, count):\n    return torch.arange(count, device=x_BFJC.device).expand(len(x_BFJC), -1)\n"
        "POLICIES = {'first': ByTokens(first, lambda frames, width: {'other': 7e9})}\n"
    )
    settings = ("--set=model.pruning.tcep.policy=first", "--set=model.pruning.mgptp=null", "--size=tiny", "--json")
    # the counters see no such product, and say so
    done = ablate("profile", "htp", *settings, "--plugin=few.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "the cost formula and the network have grown apart" in done.stderr
    (tmp_path / "few.py").write_text((tmp_path / "few.py").read_text().replace("7e9", "7e3"))
    told = json.loads(ablate("profile", "htp", *settings, "--plugin=few.py", cwd=tmp_path).stdout)
    assert told["stages"]["selection"] == {"linear": 0.0, "attention": 0.0, "other": pytest.approx(7e-6)}


def test_a_study_can_not_name_a_plugin(tmp_path: Path) -> None:
    written(tmp_path, TINY.replace("seeds: [0, 1]", "seeds: [0]\nplugin: fastest.py"))
    assert "s.yaml:11:1: unknown key 'plugin'" in refused(ablate("validate", "s.yaml", cwd=tmp_path))
    (tmp_path / "fastest.py").write_text("open('ran', 'w')")
    ablate("validate", "s.yaml", "--set", "plugins=fastest.py", cwd=tmp_path)
    assert not (tmp_path / "ran").exists()
