"""Policies, models and datasets from files outside the package: run, hashed into the keys, refused where they won't do.

A plugin stays in its process, so every test has processes of its own.
"""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import models
from ablate.data.config import DATASETS
from ablate.records import Record, load_all
from models.pruning.config import POLICIES
from tests.conftest import ROOT, TINY
from tests.test_cli import ablate, refused

(POLICY,) = (
    block for block in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S) if "POLICIES" in block
)

MODEL = '''
"""Changes from D3DP: layers that look at a frame's whole pose correct it, ``rounds`` times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor, nn

from models import Cost, Entry, d3dp
from models.config import D3DP
from models.cost import cost as d3dp_cost
from models.mixste import MixSTE


@dataclass(frozen=True, kw_only=True)
class Refined(D3DP):
    rounds: int = 1
    where: Literal["end"] = "end"


class Denoiser(MixSTE):
    def __init__(self, config: Refined) -> None:
        super().__init__(config)
        self.refine = nn.ModuleList(nn.Linear(51, 51) for _ in range(config.rounds))

    def forward(self, *given: Any, **options: Any) -> Tensor:
        x0: Tensor = super().forward(*given, **options)
        for layer in self.refine:
            x0 = x0 + layer(x0.flatten(-2)).view_as(x0)
        return x0


class Lifter(d3dp.Lifter):
    def __init__(self, config: Refined) -> None:
        super().__init__(config)
        self.denoiser = Denoiser(config)


def cost(config: Refined, *, hypotheses: int, steps: int, flip: bool, **options: Any) -> Cost:
    plain = d3dp_cost(config, hypotheses=hypotheses, steps=steps, flip=flip, **options)
    more = config.rounds * 51 * 51 * config.frames / 1e9
    return replace(
        plain,
        pass_gmacs=plain.pass_gmacs + more,
        training_gmacs=plain.training_gmacs + more,
        inference_gmacs=plain.inference_gmacs + hypotheses * steps * (2 if flip else 1) * more,
        params_m=plain.params_m + config.rounds * (51 * 51 + 51) / 1e6,
    )


MODELS = {
    "refined": Entry(config=Refined, lifter=Lifter, cost=cost, about="D3DP, corrected", changes="refine", paper="none")
}
'''

DATASET = '''
"""Synthetic motion at half its speed."""

from dataclasses import replace

from ablate.data import synthetic
from ablate.data.config import DataConfig
from ablate.data.recording import Source


def read(config: DataConfig) -> Source:
    source = synthetic.read(config)
    slow = {
        split: tuple(replace(r, world_TJ3=r.world_TJ3.repeat(2, axis=0)[: len(r.world_TJ3)]) for r in recordings)
        for split, recordings in source.splits.items()
    }
    return Source(splits=slow, info={**source.info, "speed": 0.5})


DATASETS = {"slow": read}
'''

FILES = {"fastest.py": POLICY, "refined.py": MODEL, "slow.py": DATASET}
LIGHT = "POLICIES = {'light': lambda graph, count: None}\n"  # imports nothing
GIVEN = [word for name in FILES for word in ("--plugin", name)]

STUDY = (
    TINY.replace("seeds: [0, 1]", "seeds: [0]")
    .replace("[1.0, 0.6]", "[0.6]")
    .replace("[5, 3]", "[3]")
    .replace("name: synthetic", "name: slow")
    .replace(
        "variants:\n",
        "variants:\n"
        "  fastest: {set: {model.pruning.tcep: {keep_ratio: 0.6, policy: fastest}, model.pruning.mgptp.clusters: 3}}\n"
        "  refined: {set: {model.name: refined, train.mode: each}, sweep: {model.rounds: [1, 2]}}\n",
    )
)


def written(folder: Path, study: str = STUDY) -> Path:
    """The study and its plugins, in ``folder``."""
    for name, text in {**FILES, "s.yaml": study}.items():
        (folder / name).write_text(text)
    return folder


def records(folder: Path) -> dict[str, Record]:
    return {record.label: record for record in load_all(folder / ".ablate" / "records" / "quick")}


def python(script: str, *arguments: str, cwd: Path) -> Any:
    """What a script prints, as JSON, from a process of its own."""
    done = subprocess.run([sys.executable, "-c", script, *arguments], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


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
