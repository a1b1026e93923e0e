"""Motion files: what is read, and one clear message for each thing that can be wrong with one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.data import load
from ablate.data.cmu import FILE, fetched, read
from ablate.data.config import VARIABLE, DataConfig
from ablate.data.recording import Recording
from ablate.errors import DataError
from tests.conftest import SHARED

INFO: dict[str, Any] = {"fps": 50.0, "units": "m", "train": ["S03", "S14"], "test": ["S02"]}


def clips() -> dict[str, Any]:
    """A small motion file's content, as it should be."""
    rng = np.random.default_rng(0)
    names = ("S14/Sitting 30", "S14/Boxing 2", "S03/UnevenWalking 3", "S02/Walking 1")
    content: dict[str, Any] = {name: rng.uniform(0, 1.8, (40, 17, 3)).astype(np.float32) for name in names}
    return content | {"info": np.array(json.dumps(INFO))}


def written(folder: Path, content: dict[str, Any]) -> Path:
    np.savez(folder / FILE, **content)
    return folder / FILE


def reading(path: Path | None) -> DataConfig:
    return DataConfig(name="cmu", path=None if path is None else str(path))


HOME = Path("no such home")


def refused(path: Path | None) -> str:
    """The message of the refusal: one line, no traceback in it."""
    with pytest.raises(DataError) as caught:
        read(reading(path), HOME)
    message = str(caught.value)
    assert "Traceback" not in message
    return message


def test_reads_clips_by_split(tmp_path: Path) -> None:
    content = clips()
    source = read(reading(written(tmp_path, content)), HOME)
    clips_by_split = {name: [r for r in split if isinstance(r, Recording)] for name, split in source.splits.items()}
    assert {name: [r.key for r in split] for name, split in clips_by_split.items()} == {
        "train": ["S14/Sitting 30", "S14/Boxing 2"],
        "validation": ["S03/UnevenWalking 3"],
        "test": ["S02/Walking 1"],
    }
    sitting = clips_by_split["train"][0]
    assert (sitting.subject, sitting.action, sitting.name, sitting.fps) == ("S14", "Sitting", "Sitting 30", 50.0)
    np.testing.assert_array_equal(sitting.world_TJ3, content["S14/Sitting 30"])


def test_found_by_folder_by_variable_and_by_the_study_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, clips())
    assert len(read(reading(tmp_path), HOME).splits["train"]) == 2
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert len(read(reading(None), HOME).splits["train"]) == 2
    monkeypatch.setenv(VARIABLE, str(tmp_path / FILE))
    assert len(read(reading(None), HOME).splits["train"]) == 2
    assert "data.path" in refused(tmp_path / "elsewhere.npz")


def test_what_was_fetched_is_found_where_nothing_else_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    fetched(tmp_path).parent.mkdir()
    written(fetched(tmp_path).parent, clips())
    assert len(read(reading(None), tmp_path).splits["train"]) == 2
    monkeypatch.setenv(VARIABLE, str(tmp_path / "elsewhere"))
    assert "elsewhere" in refused(None)


def test_licence_goes_with_the_results(tmp_path: Path) -> None:
    info = load(reading(written(tmp_path, clips())), 9, HOME).info
    assert "may not resell" in info["licence"]
    assert "mocap.cs.cmu.edu" in info["acknowledge"]
    assert "NSF EIA-0196217" in info["acknowledge"]
    json.dumps(info, allow_nan=False)


def test_nowhere_to_look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    message = refused(None)
    assert "data.path" in message
    assert VARIABLE in message
    assert "ablate data fetch cmu" in message
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    message = refused(None)
    assert str(tmp_path / FILE) in message
    assert VARIABLE in message
    assert "can't be looked at" in refused(tmp_path / ("long" * 2000))


@pytest.mark.parametrize("kept", [0, 10, 1000, -1000, -100, -3])
def test_cut_short(tmp_path: Path, kept: int) -> None:
    path = written(tmp_path, clips())
    path.write_bytes(path.read_bytes()[:kept])
    assert "cut short" in refused(path)


def test_flipped_byte(tmp_path: Path) -> None:
    path = tmp_path / FILE
    np.savez_compressed(path, **clips())
    content = bytearray(path.read_bytes())
    for place in range(2000, 2040):
        content[place] ^= 0xFF
    path.write_bytes(bytes(content))
    assert "can't be read" in refused(path)


def test_any_damage_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / FILE
    np.savez_compressed(path, **{name: clip if name == "info" else clip[:2] for name, clip in clips().items()})
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refusals = 0
    for _ in range(150):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            content[place] = rng.integers(256)
        path.write_bytes(bytes(content))
        try:
            read(reading(path), HOME)
        except DataError:
            refusals += 1
    assert refusals > 100


def test_not_an_npz(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_text("subject,action\n")
    assert "not an npz" in refused(path)
    np.save(tmp_path / "one.npy", np.zeros(3))
    assert "not an npz" in refused(tmp_path / "one.npy")


class Trap:
    """Unpickled, it would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


def test_pickled_content_is_never_run(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    path = written(tmp_path, clips() | {"S14/Trap 1": np.array([Trap(trap)], dtype=object)})
    assert "plain arrays" in refused(path)
    assert not trap.exists()


def changed(name: str, change: Callable[[Any], Any]) -> dict[str, Any]:
    content = clips()
    content[name] = change(content[name])
    return content


def with_nan(clip_TJ3: Any) -> Any:
    clip_TJ3[7, 3, 1] = np.nan
    return clip_TJ3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_nan, "1 frames hold NaN or infinity, first 7"),
        (lambda clip: clip * np.inf, "NaN or infinity"),
        (lambda clip: clip[:, :16], "(40, 16, 3)"),
        (lambda clip: np.concatenate([clip, clip], axis=1), "(40, 34, 3)"),
        (lambda clip: clip[..., :2], "(40, 17, 2)"),
        (lambda clip: clip.reshape(40, 51), "(40, 51)"),
        (lambda clip: clip[:0], "(0, 17, 3)"),
        (lambda clip: clip * 1000, "is the unit metres?"),
        (lambda clip: (clip * 1000).astype(np.int32), "int32"),
        (lambda clip: np.full(clip.shape, "x"), "<U1"),
    ],
)
def test_wrong_clip(tmp_path: Path, change: Callable[[Any], Any], said: str) -> None:
    message = refused(written(tmp_path, changed("S14/Boxing 2", change)))
    assert said in message
    assert FILE in message
    assert "S14/Boxing 2" in message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: np.array("no json"), "info: JSON: Invalid JSON"),
        (lambda _: np.array([1, 2]), "info: JSON: Invalid JSON"),
        (
            lambda _: np.array(json.dumps({"fps": 50})),
            "units: Field required; train: Field required; test: Field required",
        ),
        (lambda _: np.array(json.dumps(INFO | {"units": "mm"})), "units: Input should be 'm'"),
        (lambda _: np.array(json.dumps(INFO | {"fps": 0})), "fps: Input should be greater than 0"),
        (lambda _: np.array(json.dumps(INFO | {"fps": "fast"})), "fps: Input should be a valid number"),
        (lambda _: np.array(json.dumps(INFO | {"fps": True})), "fps: Input should be a valid number"),
        (lambda _: np.array(json.dumps(INFO | {"train": "S14"})), "train: Input should be a valid array"),
        (lambda _: np.array(json.dumps(INFO | {"test": [2]})), "test.0: Input should be a valid string"),
        (lambda _: np.array(json.dumps(INFO | {"train": ["S03"]})), "subject S14 under no split"),
        (lambda _: np.array(json.dumps(INFO | {"test": ["S02", "S14"]})), "S14 under train and under test"),
    ],
)
def test_wrong_info(tmp_path: Path, change: Callable[[Any], Any], said: str) -> None:
    assert said in refused(written(tmp_path, changed("info", change)))


def test_missing_info(tmp_path: Path) -> None:
    content = clips()
    del content["info"]
    assert "has no key info" in refused(written(tmp_path, content))


def test_nameless_clip(tmp_path: Path) -> None:
    content = clips()
    content["Walking"] = content["S02/Walking 1"]
    assert "rename" in refused(written(tmp_path, content))


@pytest.mark.parametrize(("gone", "split"), [("S02/Walking 1", "test"), ("S03/UnevenWalking 3", "validation")])
def test_empty_split(tmp_path: Path, gone: str, split: str) -> None:
    content = clips()
    del content[gone]
    assert f"no clip for {split}" in refused(written(tmp_path, content))


@pytest.mark.skipif(not (SHARED / "mocap" / FILE).is_file(), reason="the motion file is not beside the repository")
def test_the_real_file() -> None:
    splits = load(DataConfig(name="cmu", path=str(SHARED / "mocap"), cameras=1), 81, HOME)
    info = splits.info
    assert sum(info["clips"].values()) == 71
    assert set(info["subjects"]["validation"]) == {"S03", "S135"}
    assert set(info["subjects"]["test"]) == {"S02", "S29", "S49"}
    assert set(info["subjects"]["train"]) == {"S05", "S09", "S14", "S16", "S17", "S127"}
    assert sum(info["minutes"].values()) == pytest.approx(22.1, abs=0.1)
    for windows in (splits.train, splits.validation, splits.test):
        for view in windows.views:
            assert view.root_T3[:, 2].min() > 1.5
            assert np.abs(view.x2d_TJ2).max() < 1.6
            assert np.linalg.norm(view.x3d_TJ3, axis=-1).max() < 1.6
