"""What ``ablate zoo`` and ``ablate profile`` tell, as values and as a person sees them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import models
from ablate.catalogue import RECOVERIES, Asked, profile, zoo
from ablate.cli.listing import print_profile, print_zoo
from ablate.errors import InputError, StudyError
from models.cost import STAGES
from models.pruning.config import POLICIES, Recovery
from tests.test_cli import ablate, refused


def test_every_model_stands_on_every_host_at_every_size() -> None:
    entries = zoo()["models"]
    presets = [name for name, entry in models.MODELS.items() if entry.preset is not None]
    assert {(e["model"], e["host"], e["size"]) for e in entries} == {
        (model, host, size)
        for size in models.SIZES
        for model, host in (
            *((host, host) for host in models.hosts()),
            *((preset, host) for preset in presets for host in models.hosts()),
        )
    }
    for e in entries:
        assert e["hosts"] == (list(models.hosts()) if e["model"] in presets else [e["model"]])
        assert all(e[key] for key in ("about", "changes", "paper", "params_m", "inference_gmacs", "activation_mb"))


def test_compute_is_told_for_the_sizes_own_window_and_for_243_frames() -> None:
    for e in zoo()["models"]:
        own, whole = e["inference_gmacs"], e["inference_gmacs_243"]
        assert own == whole if e["frames"] == 243 else own < whole
        made = models.config(e["model"], e["size"], host=e["host"], frames=243)
        assert whole == models.cost(made).inference_gmacs


def test_every_policy_and_recovery_is_told_with_its_share() -> None:
    found = zoo()
    assert [e["policy"] for e in found["policies"]] == list(POLICIES)
    assert [e["recovery"] for e in found["recoveries"]] == list(RECOVERIES)
    assert set(RECOVERIES) == set(get_args(get_type_hints(Recovery)["kind"]))
    shares = {e.get("policy", e.get("recovery")): e["share_percent"] for e in found["policies"] + found["recoveries"]}
    assert shares["uniform"] == shares["interpolate"] == 0
    assert 0 < shares["merge"] < shares["tcep"] < shares["dpc_knn"] < shares["attention"] < 5
    assert 4 < shares["cross_attention"] == shares["skip_cross_attention"] < 5
    assert all(e["about"].endswith(".") and "``" not in e["about"] for e in found["policies"])


def test_the_listing_fits_80_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_zoo(zoo())
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= 80
    for name in (*models.MODELS, *POLICIES, *RECOVERIES, *models.SIZES):
        assert name in told


def test_policies_are_told_without_torch() -> None:
    code = "import sys\nfrom ablate.catalogue import zoo\nzoo()\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_profile_is_a_table_of_stages_and_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    found = profile(Asked(model="hot", host="d3dp", size="tiny"), "d3dp")
    assert sum(sum(kinds.values()) for kinds in found["stages"].values()) == pytest.approx(found["pass_gmacs"])
    print_profile(found)
    told = capsys.readouterr().out
    for stage in STAGES:
        assert stage.replace("_", " ") in told
    for text in ("linear", "attention", "other", "share", "100.0 %", "hot on d3dp", "MB", "x 2 (flip)"):
        assert text in told
    assert f"{found['stages']['recovery']['attention']:.3f}" in told


def test_another_is_compared_at_the_same_size_and_passes() -> None:
    asked = Asked(
        model="htp", host="mixste", size="tiny", frames=18, flip=False, settings=["model.width=16", "model.depth=3"]
    )
    found = profile(asked, "d3dp")
    other = found["compared_with"]
    wanted = models.cost(models.config("d3dp", "tiny", frames=18, width=16, depth=3))
    assert (other["host"], other["frames"], other["flip"]) == ("d3dp", 18, False)
    assert (other["inference_gmacs"], other["params_m"]) == (wanted.inference_gmacs, wanted.params_m)
    assert found["reduction_percent"]["activation_mb"] == pytest.approx(
        100 * (1 - found["activation_mb"] / wanted.activation_mb)
    )


def test_a_deterministic_model_is_not_compared_at_several_hypotheses() -> None:
    for asked, compare in ((Asked(model="d3dp", size="tiny", steps=5), "mixste"), (Asked(model="hot", steps=2), None)):
        with pytest.raises(StudyError, match=r"--steps: .*mixste is deterministic.*set steps to 1, got [25]"):
            profile(asked, compare)
    with pytest.raises(InputError, match=r"--compare d3db: no such model.*did you mean 'd3dp'"):
        profile(Asked(model="htp", size="tiny"), "d3db")


def test_schedule_branch_and_elastic_training_are_counted() -> None:
    def counted(**more: object) -> dict[str, float]:
        values = {"model": "htp", "size": "tiny", "hypotheses": 4, "steps": 3, **more}
        return profile(Asked(**values))  # type: ignore[arg-type]

    plain, branched = counted(), counted(branch="1:2")
    assert branched["inference_gmacs"] == pytest.approx(
        plain["window_gmacs"] + plain["pass_gmacs"] * 2 * (1 + 1 + 4), rel=1e-9
    )
    scheduled = counted(settings=["model.pruning.schedule=coarse_to_fine"])
    assert scheduled["inference_gmacs"] == pytest.approx(plain["inference_gmacs"], rel=0.03)
    assert scheduled["inference_gmacs"] != plain["inference_gmacs"]
    assert scheduled["pass_gmacs"] == plain["pass_gmacs"]
    assert counted(settings=["train.mode=elastic"])["training_gmacs"] > plain["training_gmacs"]
    with pytest.raises(InputError, match="--branch 1-2: write START:AT_STEP"):
        counted(branch="1-2")
    with pytest.raises(StudyError, match=r"evaluate\.branch\.at_step: must lie in 1\.\.2"):
        counted(branch="1:3")


@pytest.mark.parametrize(
    ("model", "host", "gmacs", "params_m"),
    [
        ("mixste", None, 147.42, 33.784),
        ("hot", None, 88.09, 35.000),
        ("hot", "mixste", 88.09, 35.000),
        ("ddhpose", None, 158.61, 38.516),
        ("ktpformer", None, 153.89, 35.213),
    ],
)
def test_profile_counts_the_published_models(model: str, host: str | None, gmacs: float, params_m: float) -> None:
    told = profile(Asked(model=model, host=host, size="base", frames=243, flip=False))
    assert told["inference_gmacs"] == pytest.approx(gmacs, rel=5e-3)
    assert told["params_m"] == pytest.approx(params_m, rel=5e-4)


def test_the_commands_print_json_and_refuse_what_is_not_there(tmp_path: Path) -> None:
    assert json.loads(ablate("zoo", "--json", cwd=tmp_path).stdout) == json.loads(json.dumps(zoo()))
    arguments = ("--hypotheses", "5", "--steps", "5", "--branch", "1:3", "--compare", "d3dp", "--json")
    told = json.loads(ablate("profile", "htp", "--host", "ddhpose", *arguments, cwd=tmp_path).stdout)
    assert told["branch"] == told["compared_with"]["branch"] == {"start": 1, "at_step": 3, "hypotheses": 5}
    assert told["reduction_percent"]["inference_gmacs"] >= 56.8
    assert told["reduction_percent"]["training_gmacs"] >= 38.5
    assert "d3dp: no such host; there are mixste" in refused(
        ablate("profile", "mixste", "--host", "d3dp", cwd=tmp_path)
    )
    assert "did you mean 'mixste'" in refused(ablate("profile", "htp", "--host", "mixst", cwd=tmp_path))
    assert "did you mean 'htp'" in refused(ablate("profile", "hpt", cwd=tmp_path))
    bad = ablate("profile", "htp", "--set", "model.pruning.tcep.keep_ratio=2", cwd=tmp_path)
    assert "must lie in (0, 1]" in refused(bad)
