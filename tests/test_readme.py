"""What the README tells a reader to type works."""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch

import models
from tests.benchmarks import dhp3, h36m
from tests.checkpoints import in_training
from tests.conftest import ROOT
from tests.lift import files
from tests.lift.filmed import film, swaying
from tests.reference import Numbers

TEXT = (ROOT / "README.md").read_text()
LINES = [
    line.split("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S)
    for line in block.splitlines()
    if line.strip() and not line.startswith("#")
]
ABLATE = [line for line in LINES if "ablate " in line and not line.startswith("git")]

# A study's commands are run as they stand, but on a minute part of their work.
SMALL = {
    "data.clip_seconds": "1",
    "data.cameras": "1",
    "data.name": "synthetic",
    "train.epochs": "1",
    "train.windows": "16",
    "evaluate.hypotheses": "1",
    "evaluate.steps": "1",
    "evaluate.cameras": "1",
    "measure.repeats": "1",
    "seeds": "[0]",
    "model.width": "16",
    "model.heads": "2",
    "model.frames": "81",
}


def test_the_readme_has_commands_to_try() -> None:
    assert len(ABLATE) >= 6
    assert [line for line in LINES if line.startswith("make")]


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("make")])
def test_make_targets_exist(line: str) -> None:
    arguments = [a for a in shlex.split(line)[1:] if "=" not in a]
    subprocess.run(["make", "-n", *arguments], cwd=ROOT, check=True, capture_output=True)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with the studies, as a clone has them, a checkpoint as D3DP's program leaves one, small
    benchmarks in their layouts, and a detector's keypoints."""
    folder = tmp_path_factory.mktemp("readme")
    torch.save(in_training(Numbers("d3dp").state()), folder / "best_epoch.bin")
    (folder / "studies").symlink_to(ROOT / "studies")
    h36m(folder / "h36m", frames=20)
    dhp3(folder / "3dhp", frames=20)
    files.coco(folder / "keypoints.json", film(swaying(30), np.random.default_rng(0)))
    return folder


def test_ablate_commands_run_in_order(checkout: Path) -> None:
    for line in ABLATE:
        words = [w for w in shlex.split(line) if not re.match(r"^[A-Z_]+=", w)]
        assert words[0] == "ablate", line
        command = words[1:]
        # The browser test opens the first; the others want files, and have tests of their own in tests/mocap.
        if command[0] == "ui" or command[:2] in (["data", "fetch"], ["data", "import"]):
            command.append("--help")
        if command[0] in ("plan", "run", "report", "show") and "--help" not in command:
            settings = [f"--set={path}={value}" for path, value in SMALL.items()]
            command += settings
        if command[0] == "bench":
            command.append("--quick")
        if command[0] == "evaluate":
            command += ["--set=data.clip_seconds=1", "--set=data.cameras=1"]
        env = {**os.environ, "COLUMNS": "160"}
        done = subprocess.run(
            [sys.executable, "-m", "ablate", *command], cwd=checkout, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_the_notebook_example_runs(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands, but on a study of seconds."""
    (example,) = (block for block in re.findall(r"```python\n(.*?)```", TEXT, re.S) if "ablate.run" in block)
    Path("tiny.yaml").write_text(tiny)
    exec(example.replace('"pruning_ratio"', '"tiny.yaml"'), {})
    assert "htp keep_ratio 0.6, clusters 3" in capsys.readouterr().out


def test_the_compute_table_is_what_the_zoo_costs() -> None:
    line = r"^\| `(\w+)`(?: on `(\w+)`)? \| ([\d.]+) \| (?:−([\d.]+) % )?\| ([\d.]+) M \|$"  # noqa: RUF001
    rows = re.findall(line, TEXT, re.M)
    assert [name for name, *_ in rows] == list(models.MODELS)
    for name, host, gmacs, cut, params in rows:
        cost = models.cost(models.config(name))
        dense = models.cost(models.config(host or name)).pass_gmacs
        assert host in ("", models.host_of(models.config(name)))
        assert f"{cost.pass_gmacs:.2f}" == gmacs
        assert f"{cost.params_m:.2f}" == params
        assert cut == (f"{100 * (1 - cost.pass_gmacs / dense):.1f}" if host else "")


def test_links_and_pictures_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_what_is_said_of_captured_motion_is_what_was_published() -> None:
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    with (ROOT / "reports" / "published" / "pruning_ratio_cmu" / "results.csv").open() as file:
        for row in csv.DictReader(file):
            if not row["action"] and row["protocol"] != "reference":
                values[row["metric"], row["split"], row["label"]].append(float(row["value"]))

    def mean(metric: str, split: str, label: str) -> float:
        return fmean(values[metric, split, label])

    pruned = [label for (metric, _, label) in values if metric == "fps" and "keep_ratio" in label]
    assert len(pruned) == 13
    dense, compute = mean("mpjpe", "test", "d3dp"), mean("inference_gmacs", "", "d3dp")
    costs = [mean("mpjpe", "test", label) - dense for label in pruned]
    cuts = [100 * (1 - mean("inference_gmacs", "", label) / compute) for label in pruned]
    speeds = [mean("fps", "", label) / mean("fps", "", "d3dp") for label in pruned]
    nine = {
        split: [
            mean("mpjpe", split, f"htp keep_ratio {k}, clusters 9")
            - mean("mpjpe", split, f"uniform keep_ratio {k}, clusters 9")
            for k in (0.67, 0.33)
        ]
        for split in ("test", "validation")
    }
    text = " ".join(TEXT.split())
    assert f"D3DP, dense, has {dense:.1f} mm" in text
    assert f"save {min(cuts):.0f} to {max(cuts):.0f} % of its inference MACs" in text
    assert (
        f"for {min(costs):.1f} to {max(costs):.1f} mm, run {min(speeds):.1f} to {max(speeds):.1f} times as fast" in text
    )
    assert f"{min(nine['test']):.1f} to {max(nine['test']):.1f} mm better at 9" in text
    assert f"({min(nine['validation']):.1f} to {max(nine['validation']):.1f} mm on the validation subjects)" in text
    assert f"is {mean('mpjpe', 'test', 'all_frames') - dense:.1f} mm behind D3DP" in text


def published(study: str, table: str) -> dict[str, dict[str, float]]:
    """The numbers of a published table, by row and column."""
    with (ROOT / "reports" / "published" / study / "tables" / f"{table}.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {row.pop("configuration"): {key: float(value) for key, value in row.items() if value} for row in rows}


UNSURE = (("motion", 27), ("attention", 27), ("attention", 9), ("dpc_knn", 9), ("merge", 9), ("random", 9))


def test_what_is_said_of_differences_is_what_was_published() -> None:
    text = " ".join(TEXT.split())
    main, from_dense = published("pruning_ratio", "main"), published("pruning_ratio", "differences")
    assert f"at most {max(row['inference_reduction_percent'] for row in main.values()):.0f} %" in text
    assert len(from_dense) == 13
    assert all(row["p_holm"] > 0.05 for row in from_dense.values())
    policies = published("policies_cmu", "differences")
    for count, word, sure in ((27, "(0.7 mm)", True), (9, "(0.3 to 0.5 mm)", False)):
        rows = [policies[f"htp policy {policy}, keep_frames {count}"] for policy in ("tcep", "uniform")]
        assert all((row["p_holm"] < 0.05) == sure for row in rows)
        gains = sorted({f"{-row['difference_mm']:.1f}" for row in rows})
        assert f"({' to '.join(gains)} mm)" == word
    worse = {
        policy for (policy, count) in UNSURE if policies[f"htp policy {policy}, keep_frames {count}"]["p_holm"] < 0.05
    }
    assert not worse
    assert policies["htp policy motion, keep_frames 9"]["p_holm"] < 0.05
    report = (ROOT / "reports" / "published" / "pruning_ratio_cmu" / "report.md").read_text()
    verdict = re.search(r"\*\*holds\*\*: some htp .* against all_frames .*MPJPE (\S+) mm.* (\S+) to (\S+)\)", report)
    assert verdict is not None
    minus = "\N{MINUS SIGN}"
    difference, low, high = (
        f"{float(number.replace(minus, '-')):+.1f}".replace("-", minus) for number in verdict.groups()
    )
    assert f"against the same weights unpruned ({difference} mm, {low} to {high})" in text
    claims = (ROOT / "reports" / "published" / "components_cmu" / "report.md").read_text()
    for stage, stands in (("mgptp", "holds"), ("tcep", "can't be told"), ("sft", "can't be told")):
        assert f"**{stands}**: htp cuts inference_gmacs by at least 5 % against htp without {stage} " in claims


def bench(name: str) -> Path:
    return ROOT / "reports" / "published" / "bench" / name


def measured(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((bench(name) / "result.json").read_text())["rows"]
    return rows


def test_what_is_said_of_speed_is_what_was_measured() -> None:
    said = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([\d.]+) \| ([\d.]+) to ([\d.]+) \|$", TEXT, re.M)
    assert len(said) >= 8
    for name, what, *numbers in said:
        (row,) = (row for row in measured(name) if row["what"] == what)
        assert numbers == [f"{row[part]:.3g}" for part in ("value", "low", "high")], what


def test_what_is_said_of_another_machine_is_what_was_measured() -> None:
    first = [what for name, what in re.findall(r"^\| `(\w+)` \| (d3dp [^|]+) \|", TEXT, re.M) if name == "inference"]
    earlier = {row["what"]: row["value"] for row in measured("inference-earlier")}
    said = re.search(r"three rows came out at ([\d.]+), ([\d.]+) and ([\d.]+) ", TEXT)
    assert said is not None
    assert said.groups() == tuple(f"{earlier[what]:.3g}" for what in first)


def test_what_is_said_of_ways_to_sample_is_what_was_measured() -> None:
    with (bench("protocol-base") / "protocols.csv").open() as lines:
        ways = {row["label"]: row for row in csv.DictReader(lines)}
    said = re.findall(r"^\| `([\w ]+)` \| ([^|]+) \| (\d+) \| ([\d.]+) \| ([^|]+) \|$", TEXT, re.M)
    assert len(said) >= 10
    for label, _, passes, times, difference in said:
        way = ways[label]
        mean, low, high = (float(way[f"test_difference_{part}mm"]) for part in ("", "low_", "high_"))
        interval = f"{mean:+.2f} ({low:+.2f} to {high:+.2f})".replace("-", "\N{MINUS SIGN}")
        assert (passes, times) == (way["passes"], f"{float(way['times_as_fast']):.3g}"), label
        assert difference == ("0" if label == "d3dp" else interval), label
    knees = [label for label, how, *_ in said if how.startswith("the knee")]
    recommended = {row["what"] for name in ("protocol-base", "protocol") for row in measured(name)}
    assert {f"recommended: {label}, chosen on validation" for label in knees} <= recommended
