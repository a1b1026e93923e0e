"""Every host, plain and with each kind of pruning on it, through the engine: one step trained, evaluated, counted."""

import re

import pytest

import models
from ablate.errors import StudyError
from ablate.loading import check
from ablate.plan import Cell, expand
from ablate.records import Record
from ablate.runner import run
from ablate.schema import Configuration, put, resolve
from ablate.source import parse
from ablate.terminal import Plain
from ablate.workspace import Workspace
from tests.conftest import TINY
from tests.test_study import study

HOSTS = models.hosts()
STUDY = f"""\
name: hosts
question: Does every host run?
baseline: plain name d3dp
model: {{name: htp, size: tiny, width: 16, heads: 2, frames: 9}}
sweep:
  model.host: [{", ".join(HOSTS)}]
variants:
  hot: {{set: {{model.name: hot}}, sweep: {{model.host: [{", ".join(HOSTS)}]}}}}
  plain: {{sweep: {{model.name: [{", ".join(HOSTS)}]}}}}
data: {{name: synthetic, clip_seconds: 1, cameras: 1}}
train: {{epochs: 1, batch: 16, windows: 16, accelerator: cpu}}
evaluate: {{batch: 64}}
measure: {{repeats: 1, warmup: 0}}
"""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    folder = tmp_path_factory.mktemp("hosts")
    outcome = run(check(parse(STUDY, "hosts.yaml")), Workspace(folder / "home", folder / "reports"), Plain(quiet=True))
    assert not outcome.failures
    return {record.label: record for record in outcome.records}


def test_every_combination_trains_and_evaluates(records: dict[str, Record]) -> None:
    assert set(records) == {
        *(f"htp host {host}" for host in HOSTS),
        *(f"hot host {host}" for host in HOSTS),
        *(f"plain name {host}" for host in HOSTS),
    }
    for label, record in records.items():
        assert record.value("mpjpe", "test") > 0, label
        assert record.compute["pass_gmacs_torch"] == pytest.approx(record.compute["pass_gmacs"], rel=0.005), label


def test_records_tell_the_host_and_no_two_are_one(records: dict[str, Record]) -> None:
    for host in HOSTS:
        assert records[f"htp host {host}"].config.get("host", "d3dp") == host
        assert records[f"hot host {host}"].config.get("host", "mixste") == host
    assert len({record.trial for record in records.values()}) == len(records)
    assert len({record.training_key for record in records.values()}) == len(records)


def test_a_preset_on_its_own_host_is_the_preset() -> None:
    def cells(text: str) -> list[Cell]:
        return list(expand(study(text)))

    named = TINY.replace("name: htp,", "name: htp, host: d3dp,")
    assert [cell.id for cell in cells(named)] == [cell.id for cell in cells(TINY)]
    assert [cell.training_key(0) for cell in cells(named)] == [cell.training_key(0) for cell in cells(TINY)]


def resolved(path: str, value: object) -> Configuration:
    return resolve(put({"model": {"name": "htp", "size": "tiny"}}, path, value))


def identity(configuration: Configuration) -> dict[str, object]:
    return Cell(group="", label="", params={}, configuration=configuration).identity


def test_a_setting_that_came_later_is_told_only_where_it_is_used() -> None:
    for value, told in ((False, False), (True, True)):
        content = str(identity(resolved("model.pruning.tcep.embed_places", value)))
        assert ("embed_places" in content) == told


def test_a_deterministic_host_has_one_hypothesis_and_one_step() -> None:
    assert study(STUDY).file.name == "hosts"
    for asked in ("hypotheses", "steps"):
        with pytest.raises(StudyError) as told:
            study(STUDY.replace("evaluate: {", f"evaluate: {{{asked}: 3, "))
        assert re.search(
            rf"s.yaml:12:\d+: evaluate.{asked}: mixste is deterministic.*set {asked} to 1", str(told.value)
        )
        assert "d3dp is deterministic" not in str(told.value)
