"""Plugins for the tests of plugins: a policy (README's), a model and a dataset, and a study that uses all three."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from ablate.records import Record, load_all
from tests.conftest import ROOT, TINY

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
