"""`ablate compare` and `ablate report --check` as a person meets them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ablate.loading import load
from ablate.plan import expand
from ablate.records import save
from tests.conftest import TINY
from tests.report import fixed
from tests.test_cli import ablate, refused

CLAIMS = """
claims:
  - htp cuts inference_gmacs by at least 1 % against d3dp
  - htp is better than d3dp by at least 1000 mm
"""
TRUE = TINY.replace("[1.0, 0.6]", "[0.6]") + CLAIMS.rpartition("  - ")[0].strip() + "\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study and records as if it had run, and two copies of these: one configuration worse by 50 mm in
    ``later``, all of them others in ``strange``."""
    folder = tmp_path_factory.mktemp("compare")
    (folder / "quick.yaml").write_text(TRUE)
    for i, cell in enumerate(sorted(expand(load(folder / "quick.yaml")), key=lambda cell: cell.group)):
        for seed in (0, 1):
            made = replace(fixed.record(i, seed), study="quick", trial=cell.id, config=cell.configuration.resolved())
            record = replace(made, group=cell.group, label=cell.label, params=cell.params)
            save(folder / ".ablate/records/quick", record)
            moved = replace(record, provenance={**record.provenance, "commit": "feed" * 10})
            save(folder / "strange/records/quick", replace(moved, trial=f"x{record.trial}", label=f"x{record.label}"))
            if record.label == "d3dp":
                worse = tuple(m._replace(value=m.value + 50) for m in record.metrics)
                arrays = {k: v + 50 if k == "test/mpjpe_mm" else v for k, v in record.arrays.items()}
                moved = replace(moved, metrics=worse, arrays=arrays)
            save(folder / "later/records/quick", moved)
    return folder


def test_help_has_an_example(tmp_path: Path) -> None:
    assert "Example: ablate compare" in ablate("compare", "--help", cwd=tmp_path).stdout


def test_a_study_against_itself_has_not_moved(place: Path) -> None:
    done = ablate("compare", "quick.yaml", "quick.yaml", "--check", cwd=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the same") == 3
    assert "+0.00 (+0.00 to +0.00)" in done.stdout


def test_what_moved_between_two_homes_is_told_and_checked(place: Path) -> None:
    command = ("compare", "quick.yaml", "quick.yaml@feed", "--home-b", "later")
    told = ablate(*command, cwd=place)
    assert told.returncode == 0, told.stderr
    assert "worse" in told.stdout
    done = ablate(*command, "--check", "--json", cwd=place)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert {row["label"]: row["verdict"] for row in found["rows"]}["d3dp"] == "worse"
    assert found["worse"]
    assert found["only_before"] == found["only_after"] == []


def test_records_that_share_nothing_say_so(place: Path) -> None:
    command = ("compare", "quick.yaml", "quick.yaml@feed", "--home-b", "strange")
    done = ablate(*command, cwd=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("quick.yaml and quick.yaml@feed share no configuration, neither by what it runs with")


def test_what_is_not_there_is_named(place: Path) -> None:
    told = refused(ablate("compare", "quick.yaml", "quick.yaml@beef", cwd=place))
    assert "quick.yaml@beef: no record under .ablate was made at that commit; there are" in told
    told = refused(ablate("compare", "quick.yaml", "quick.yaml", "--home-b", "nowhere", cwd=place))
    assert "nothing is recorded under nowhere" in told


def test_check_fails_when_a_claim_does(place: Path) -> None:
    (place / "false.yaml").write_text(TRUE + CLAIMS.splitlines()[-1] + "\n")
    done = ablate("report", "false.yaml", "--check", cwd=place)
    assert done.returncode == 1, done.stderr
    assert "holds: htp cuts inference_gmacs by at least 1 % against d3dp (holds for 2 of 2 pairs" in done.stdout
    assert "fails: htp is better than d3dp by at least 1000 mm (fails for 2 of 2 pairs" in done.stdout


def test_a_claim_that_cannot_be_told_fails_nothing(place: Path) -> None:
    (place / "one.yaml").write_text(TRUE.replace("seeds: [0, 1]", "seeds: [0]") + CLAIMS.splitlines()[-1] + "\n")
    done = ablate("report", "one.yaml", "--check", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    assert [claim["state"] for claim in json.loads(done.stdout)["claims"]] == ["holds", "can't be told"]
