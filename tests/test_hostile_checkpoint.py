"""A checkpoint can't make this program run anything: it is read as plain tensors, or refused."""

import builtins
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.checkpoints import ablate_, in_training, refused
from tests.reference import Numbers

COMMAND = ("import-checkpoint", "c.bin", "--model", "mixste", "--out", "w.safetensors")
TOUCH = "__import__('pathlib').Path('ran').touch()"
State = dict[str, Tensor]


class Calls:
    """What unpickling makes a call of ``function``; ``after`` is the object's state, and its items, as in pickle."""

    def __init__(self, function: Any, *given: Any, after: tuple[Any, ...] = ()) -> None:
        self.made = (function, given, *after)

    def __reduce__(self) -> Any:
        return self.made


SYSTEM = Calls(os.system, "touch ran")
EVAL = Calls(builtins.eval, TOUCH)


def with_attribute(state: State) -> Any:
    made: Any = OrderedDict(state)
    made.more = SYSTEM
    return made


def in_optimiser(state: State) -> dict[str, Any]:
    content = in_training(state)
    content["optimizer"]["param_groups"][0]["betas"] = EVAL
    return content


def in_random_state(state: State) -> dict[str, Any]:
    """Inside the parts that are read as blanks: as what numpy's own function is given, and as an array's state."""
    maker = np.random.RandomState(0).__reduce__()[0]
    return {**in_training(state), "random_state": Calls(maker, Calls(os.system, "touch ran; exit 1"))}


HOSTILE: dict[str, Callable[[State], Any]] = {
    "the file itself": lambda state: SYSTEM,
    "os.system": lambda state: {**state, "head.1.bias": SYSTEM},
    "builtins.eval": lambda state: {**state, "head.1.bias": EVAL},
    "builtins.exec": lambda state: {**state, "more": Calls(builtins.exec, TOUCH)},
    "a key": lambda state: {**state, SYSTEM: torch.zeros(1)},
    "nested in the optimizer": in_optimiser,
    "inside numpy's random state": in_random_state,
    "an attribute of the dict": with_attribute,
    "beside a sound state dict": lambda state: {"model_pos": state, "config": EVAL},
    "a getattr": lambda state: {**state, "more": Calls(getattr, Calls(__import__, "os"), "system")},
    "numpy's own eval": lambda state: {**state, "more": Calls(np.testing.runstring, TOUCH, {})},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("way", HOSTILE)
def test_nothing_runs_and_nothing_is_written(way: str, zipped: bool, folder: Path) -> None:
    torch.save(HOSTILE[way](Numbers("mixste").state()), "c.bin", _use_new_zipfile_serialization=zipped)
    if way != "a getattr":
        try:
            torch.load("c.bin", weights_only=False)  # it is hostile indeed
        except Exception:
            assert way == "inside numpy's random state"  # numpy refuses what it is given, after that has run
        assert (folder / "ran").exists()
        (folder / "ran").unlink()
    told = refused(*COMMAND)
    assert "the file is refused, nothing of it was run" in told
    assert "weights_only" not in told
    assert left(folder) == ["c.bin"]


def test_older_numpy_spelt_its_random_state_otherwise(folder: Path) -> None:
    torch.save(in_training(Numbers("mixste").state()), "new.bin")
    spellings = {
        b"numpy._core.": b"numpy.core.",
        b"numpy.random._pickle\n__randomstate": b"numpy.random\n__RandomState",
    }
    with zipfile.ZipFile("new.bin") as new, zipfile.ZipFile("c.bin", "w") as old:
        for name in new.namelist():
            content = new.read(name)
            for after, before in spellings.items() if name.endswith("data.pkl") else ():
                assert after in content
                content = content.replace(after, before)
            old.writestr(name, content)
    done = ablate_(*COMMAND)
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_bare_pickle_is_no_checkpoint_either(protocol: int, folder: Path) -> None:
    (folder / "c.bin").write_bytes(pickle.dumps({"head": EVAL}, protocol))
    assert "error" in refused(*COMMAND)
    assert left(folder) == ["c.bin"]


def test_attributes_laid_over_a_dict_are_not_called(folder: Path) -> None:
    state = Numbers("mixste").state()
    laid = dict.fromkeys(("items", "keys", "values", "get", "__iter__"), "no function")
    torch.save(Calls(OrderedDict, after=(laid, None, iter(state.items()))), "c.bin")
    with pytest.raises(TypeError, match="not callable"):
        torch.load("c.bin", weights_only=True).items()
    assert ablate_(*COMMAND).exit_code == 0


def test_numpy_is_not_called_for_what_is_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(in_training(Numbers("mixste").state()), "c.bin")

    def called(*given: Any) -> None:
        raise AssertionError("numpy was called")

    monkeypatch.setattr("numpy.random._pickle.__randomstate_ctor", called)
    monkeypatch.setattr("numpy._core.multiarray.scalar", called)
    with pytest.raises(AssertionError, match="numpy was called"):
        torch.load("c.bin", weights_only=False)
    assert ablate_(*COMMAND).exit_code == 0


def cut(share: float) -> Callable[[bytes], bytes]:
    return lambda content: content[: int(len(content) * share)]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    **{f"cut to {share}": cut(share) for share in (0.0, 0.001, 0.3, 0.9, 0.999)},
    "zeros": lambda content: bytes(len(content)),
    "text": lambda content: b"<html>404 not found</html>",
    "a safetensors header": lambda content: (2**40).to_bytes(8, "little") + b"{" + content,
    "a flipped pickle": lambda content: content.replace(b"Spatial_pos_embed", b"Spatial\xffpos\x00emb."),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_one_clear_message(damage: str, zipped: bool, folder: Path) -> None:
    torch.save(Numbers("mixste").state(), "c.bin", _use_new_zipfile_serialization=zipped)
    path = folder / "c.bin"
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    told = refused(*COMMAND)
    assert told.startswith("error: c.bin: ")
    assert "weights_only" not in told
    assert left(folder) == ["c.bin"]


def test_a_file_that_is_not_there_or_a_folder(folder: Path) -> None:
    assert "c.bin: can't be read (No such file or directory)" in refused(*COMMAND)
    (folder / "c.bin").mkdir()
    assert "c.bin: can't be read (Is a directory)" in refused(*COMMAND)
