"""What is stored comes back bit for bit or is refused; a write that fails or is killed leaves what was there before."""

import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from ablate.errors import InputError, StorageError
from ablate.store import Item, Store
from ablate.trained import Checkpoint, Weights

STATE = {
    "bfloat": torch.arange(6, dtype=torch.bfloat16).reshape(2, 3),
    "bool": torch.tensor([True, False]),
    "count": torch.tensor(7),
    "empty": torch.zeros(0, 4),
    "turned": torch.arange(6.0).reshape(2, 3).T,
}
WEIGHTS = Weights(STATE, {"fit": '{"best_epoch": 2, "seconds": 0.5}', "data": "d\u00fc"})
CHECKPOINT = Checkpoint(
    tensors={"lifter/a": torch.ones(2), "optimiser/step/a": torch.tensor(3.0)},
    curves={"train_loss_mm": [0.1, 1 / 3], "validation_epoch": [2], "validation_mpjpe_mm": [1e-17]},
    seconds=12.5,
    scaler={"scale": 65536.0},
)


@pytest.fixture(params=["folder", "file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    roots: dict[str, str | Path] = {
        "folder": tmp_path / "a store",
        "file": f"file://{tmp_path}/a store",
        "memory": f"memory://{tmp_path.name}/a store",
    }
    return Store(roots[request.param])


def equal(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and torch.equal(one[name], other[name]) for name in one
    )


def names(store: Store) -> list[tuple[str, str]]:
    return [(item.kind, item.name) for item in store.items()]


def test_weights_come_back_as_they_were(store: Store) -> None:
    assert not store.has("k")
    assert store.load("k") is None
    store.save("k", WEIGHTS)
    assert store.has("k")
    found = store.load("k")
    assert found is not None
    assert equal(found.state, STATE)
    assert found.metadata == WEIGHTS.metadata
    assert found.fit == {"best_epoch": 2, "seconds": 0.5}
    store.save("k", Weights({"one": torch.ones(1)}, {}))
    again = store.load("k")
    assert again is not None
    assert equal(again.state, {"one": torch.ones(1)})


def test_checkpoints_come_back_as_they_were_until_they_are_dropped(store: Store) -> None:
    assert store.load_checkpoint("k") is None
    store.save_checkpoint("k", CHECKPOINT)
    found = store.load_checkpoint("k")
    assert found is not None
    assert equal(found.tensors, CHECKPOINT.tensors)
    assert (found.curves, found.seconds, found.scaler) == (CHECKPOINT.curves, 12.5, {"scale": 65536.0})
    assert found.epoch == 2
    assert not store.has("k")
    store.drop_checkpoint("k")
    store.drop_checkpoint("k")
    assert store.load_checkpoint("k") is None


def test_the_store_tells_what_it_holds_and_drops_it(store: Store, tmp_path: Path) -> None:
    assert store.items() == []
    store.save("b", WEIGHTS)
    store.save("a", WEIGHTS)
    store.save_checkpoint("b", CHECKPOINT)
    assert [(item.kind, item.key) for item in store.items()] == [
        ("weights", "a"),
        ("weights", "b"),
        ("checkpoints", "b"),
    ]
    first = store.items()[0]
    with store.file("a") as path:
        assert first.bytes == path.stat().st_size
    assert first.modified is not None
    assert abs(datetime.now(UTC) - first.modified) < timedelta(days=1)
    store.remove(first)
    store.remove(first)
    assert names(store) == [("weights", "b.safetensors"), ("checkpoints", "b.safetensors")]
    assert not store.has("a")


def test_what_a_killed_writer_left_is_no_weights_and_can_be_dropped(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save("k", WEIGHTS)
    (tmp_path / "weights" / ".abc.part").write_bytes(b"half")
    (tmp_path / "weights" / "notes.txt").write_text("mine")
    left, kept = store.items()
    assert (left.key, left.name, kept.key) == (None, ".abc.part", "k")
    store.remove(left)
    assert [path.name for path in sorted((tmp_path / "weights").iterdir())] == ["k.safetensors", "notes.txt"]


def test_preparing_makes_the_folders_and_leaves_nothing(store: Store) -> None:
    store.prepare()
    store.prepare()
    assert store.items() == []


def test_a_store_in_a_folder_is_the_same_by_path_and_by_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Store("here").save("k", WEIGHTS)
    assert Store(f"file://{tmp_path}/here/").has("k")
    path = tmp_path / "here" / "weights" / "k.safetensors"
    assert Store(tmp_path / "here").place("k") == Store(f"file://{tmp_path}/here").place("k") == str(path)
    assert str(Store("here")) == str(tmp_path / "here")
    assert str(Store("memory://here")) == "memory:///here"
    assert Store("memory://here").place("k", "checkpoints") == "memory:///here/checkpoints/k.safetensors"


def test_weights_as_a_file(store: Store, tmp_path: Path) -> None:
    store.save("k", WEIGHTS)
    with store.file("k") as path:
        assert path.name == "k.safetensors"
        with safe_open(path, framework="pt") as file:
            assert file.metadata()["fit"] == WEIGHTS.metadata["fit"]
            assert torch.equal(file.get_tensor("count"), torch.tensor(7))
    assert path.exists() == path.is_relative_to(tmp_path)
    assert store.has("k")
    with pytest.raises(StorageError, match=r"weights/none\.safetensors: can't be read"), store.file("none"):
        pass


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("nowhere://bucket", "nowhere://bucket can't be opened .*nowhere"),
        pytest.param(
            "s3://bucket",
            "s3://bucket can't be opened .*s3fs",
            marks=pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="s3fs is installed"),
        ),
    ],
)
def test_a_protocol_that_nobody_speaks_is_named(root: str, message: str) -> None:
    with pytest.raises(InputError, match=f"--store: {message}"):
        Store(root)


def test_an_item_knows_its_key() -> None:
    made: dict[str, Any] = {"kind": "weights", "bytes": 1, "modified": None}
    assert Item(name="abc.safetensors", **made).key == "abc"
    assert Item(name=".abc.safetensors-1.part", **made).key is None


def test_tensors_are_packed_from_where_they_are(tmp_path: Path) -> None:
    """A parameter, and a view of a larger tensor."""
    large = torch.arange(8.0)
    state: dict[str, Tensor] = {"weight": torch.nn.Parameter(torch.ones(2)), "view": large[2:4]}
    store = Store(tmp_path)
    store.save("k", Weights(state, {}))
    found = store.load("k")
    assert found is not None
    assert equal(found.state, {"weight": torch.ones(2), "view": torch.tensor([2.0, 3.0])})
