"""report.html as a file: whole, pure, small, and safe whatever a study's author types."""

import base64
import dataclasses
import json
import tomllib
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from ablate.records import Record
from ablate.report import comparison, front, results
from ablate.report.figures.material import Material
from ablate.report.figures.style import Picture
from ablate.report.html import html
from ablate.report.html.chart import chart
from ablate.report.html.sample import sample
from ablate.report.tables import Table
from ablate.statistics.samples import samples
from tests.conftest import ROOT
from tests.report import factory, posing

HOSTILE = "</script><script>alert('typed')</script><img src=x onerror=alert(1)>{{ 7 * 7 }}&amp;\"'<!--\u2028"


class Reader(HTMLParser):
    """What a browser would make of the page: every element, the cells of every table, the texts of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.texts: list[str] = []
        self.embedded = ""
        self.within = False  # a cell
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.within = True

    def handle_endtag(self, tag: str) -> None:
        self.within = self.within and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] == "script":
            self.embedded += data if self.elements[-1][1].get("id") == "data" else ""
            return
        self.texts.append(data)
        if self.within:
            self.tables[-1][-1][-1] += data

    def data(self) -> Any:
        """The chart's data."""
        return json.loads(self.embedded)


def material(records: Sequence[Record], **changes: object) -> Material:
    about = factory.about(**changes)
    kept = results.ordered(records, about)
    frame = results.results(kept, about)
    return Material(frame, kept, about, front.front(frame, about), samples(kept))


def tables_of(m: Material) -> tuple[Table, ...]:
    return comparison.tables(m.frame, m.records, m.about, m.best, m.samples)


def page_of(records: Sequence[Record], **changes: object) -> str:
    m = material(records, **changes)
    return html(m, tables_of(m), [], [], [], Path())


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return posing.study((0, 1), hypotheses=3, steps=2)


@pytest.fixture(scope="module")
def text(records: list[Record]) -> str:
    return page_of(records)


def test_the_page_has_every_table_with_every_cell(records: list[Record], text: str) -> None:
    *found, _ = Reader(text).tables  # the last is of the environment
    for table, (heads, *rows) in zip(tables_of(material(records)), found, strict=True):
        texts = table.texts()
        assert heads == list(texts.columns)
        assert rows == texts.to_numpy().tolist()


def test_the_page_says_what_a_reviewer_asks(text: str) -> None:
    said = " ".join(Reader(text).texts)
    for part in (
        factory.about().question,
        "Status: 24 of 36 records, ",
        "Test data made from formulas",
        "Protocol exact; test split of synthetic",
        "0123456789ab",
        "ablate report made_up",
        "2.13.0",
    ):
        assert part in said


def test_the_page_asks_for_nothing(text: str) -> None:
    for tag, attributes in Reader(text).elements:
        assert tag not in ("iframe", "object", "embed", "base")
        assert tag not in ("script", "img") or not str(attributes.get("src", "data:")).startswith("http")
        assert "style" not in attributes, "the page's policy forbids it"
        assert not [name for name in attributes if name.startswith("on")]


def test_axes_hold_the_means_and_spreads_of_the_records(records: list[Record]) -> None:
    m = material(records)
    made = chart(m)
    axes = {axis["title"]: axis for axis in made["axes"]}
    assert made["axes"][made["start"]["x"]]["title"] == "inference (GMACs)"
    assert made["axes"][made["start"]["y"]]["title"] == "MPJPE (mm)"
    for i, label in enumerate(made["label"]):
        own = [record for record in m.records if record.label == label]
        values = [record.value("mpjpe", "test") for record in own]
        assert axes["MPJPE (mm)"]["values"][i] == pytest.approx(np.mean(values), rel=1e-5)
        assert axes["MPJPE (mm)"]["spread"][i] == pytest.approx(np.std(values, ddof=1), rel=1e-4)
        assert axes["inference (GMACs)"]["values"][i] == pytest.approx(own[0].compute["inference_gmacs"], rel=1e-5)
        assert axes["tcep.keep_ratio"]["values"][i] == own[0].params.get(factory.KEEP)
        assert made["groups"][made["group"][i]]["name"] == own[0].group
        assert made["seeds"][i] == 2
    assert axes["speed (frames/s)"]["better"] == "higher"
    assert "MPJPE j_best †oracle (mm)" in axes


def test_kept_frames_and_poses_come_back(records: list[Record]) -> None:
    m = material(records)
    made = sample(m.first, m.labels[:1])
    (window,) = made["windows"]
    truth = np.frombuffer(base64.b64decode(window["truth"]), "<i2").reshape(-1, 17, 3) / 1000
    assert np.abs(truth - posing.truth()).max() < 0.0006
    for i, label in enumerate(m.labels):
        arrays = m.first[label].arrays
        for name, mask in made["kept"][i]["stages"]:
            bits = np.unpackbits(np.frombuffer(base64.b64decode(mask), np.uint8), bitorder="little")
            assert np.flatnonzero(bits).tolist() == arrays[f"strip/{name.lower()}"].tolist()
        mean = np.frombuffer(base64.b64decode(made["poses"][i]["mean"]), "<i2").reshape(-1, 17, 3) / 1000
        assert np.abs(mean - arrays["sample/pose"]).max() < 0.0006
        assert len(made["poses"][i]["hypotheses"]) == 3


def test_old_records_give_what_they_hold() -> None:
    m = material(factory.study((0,)))
    made = sample(m.first, m.labels)
    assert made["poses"] == {}
    assert made["kept"][0] is None  # the baseline kept no strip
    assert all("truth" not in window for window in made["windows"])
    assert "Accuracy against compute" in page_of(factory.study((0,)))


def test_another_window_stands_by_itself(records: list[Record]) -> None:
    other = dict(records[-1].arrays) | {"strip/motion": np.ones(9, np.float32), "strip/tcep": np.array([0, 8])}
    for name in ("sample/truth", "sample/pose", "sample/hypotheses", "strip/mgptp"):
        del other[name]
    changed = [*records[:-2], *(dataclasses.replace(record, arrays=other) for record in records[-2:])]
    m = material(changed)
    made = sample(m.first, m.labels)
    last = m.labels.index(records[-1].label)
    assert [len(window["motion"]) for window in made["windows"]] == [factory.FRAMES, 9]
    assert made["kept"][last]["window"] == 1
    assert last not in made["poses"]


def test_what_was_typed_stays_text(records: list[Record]) -> None:
    renamed = [
        dataclasses.replace(
            record,
            group=f"{record.group} {HOSTILE}",
            label=f"{record.label} {HOSTILE}",
            params=dict.fromkeys(record.params, HOSTILE),
            provenance={**record.provenance, "device": HOSTILE, HOSTILE: "name"},
        )
        for record in records
    ]
    typed = page_of(renamed, name=HOSTILE, question=HOSTILE, command=HOSTILE, notes=(HOSTILE,), acknowledgement=HOSTILE)
    plain, hostile = Reader(page_of(records, acknowledgement="Thanks.")), Reader(typed)
    assert [tag for tag, _ in hostile.elements if tag in ("script", "img")] == [
        tag for tag, _ in plain.elements if tag in ("script", "img")
    ]
    data = hostile.data()
    assert all(label.endswith(HOSTILE) for label in data["label"])
    assert "7 * 7" in typed


def test_a_hundred_trials_take_less_than_three_megabytes() -> None:
    cells = [dataclasses.replace(record) for record in posing.many(100, (0, 1), hypotheses=5)]
    text = page_of(cells, planned=200)
    assert len(text.encode()) < 3_000_000
    data = Reader(text).data()
    assert len(data["label"]) == 100
    assert "0" in data["sample"]["poses"], "the baseline's skeletons come first"
    m = material(cells)
    shown = {data["label"][int(i)] for i in data["sample"]["poses"]}
    assert len(shown) >= min(10, len(m.front))


def test_large_figures_are_linked(made: Path, records: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (made / "report.html").read_text()
    files = sorted(path.stem for path in (made / "figures").glob("*.png") if path.stem != "pareto")  # drawn live
    assert whole.count("<img ") == len(files)
    monkeypatch.setattr("ablate.report.html.ROOM", 100_000)
    m = material(records)
    pictures = [Picture(name=name, title=name, caption=f"This is **{name}**.", figure=Figure()) for name in files]
    text = html(m, tables_of(m), pictures, [], [], made / "figures")
    assert 0 < text.count("<img ") < len(files)
    assert "It is too large for this page." in text
    assert f"This is <strong>{files[0]}</strong>." in text
    links = [a["href"] for tag, a in Reader(text).elements if tag == "a" and not str(a["href"]).startswith("#")]
    assert [link for link in links if not (made / str(link)).is_file()] == []


def test_every_file_of_the_page_is_installed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    folder = ROOT / "ablate/report/html"
    installed = {path for pattern in listed["ablate.report.html"] for path in folder.glob(pattern)}
    assert installed == {path for path in folder.iterdir() if path.is_file() and path.suffix != ".py"}
