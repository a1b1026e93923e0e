"""Pickled arrays are read, and whatever else a pickle can do is refused before anything of it has run."""

import builtins
import io
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.data.unpickling import content
from ablate.errors import DataError
from tests.benchmarks import pickled
from tests.test_hostile_checkpoint import TOUCH, Calls

PLAIN: dict[Any, Any] = {
    "S1": {
        "Walking 1": np.arange(24, dtype=np.float32).reshape(4, 3, 2),
        "again": [np.zeros((2, 2)), (1, "é", b"\xff")],
    },
    "types": [
        np.array([1, -2], np.int16),
        np.array([True, False]),
        np.array(["a", "bcd"]),
        np.array([b"xy"]),
        np.float64(0.5),
    ],
    "orders": [np.asfortranarray(np.arange(6).reshape(2, 3)), np.arange(3, dtype=">i4"), np.int64(-7), np.bool_(True)],
    "numbers": [1, -1, 300, 70_000, 2**40, 2**80, 1.5, True, False, None, 3],
    "empty": [{}, [], (), ""],
    7: {"deep": {"deeper": [[[1, (2, (3,))]]]}},
}


def written(path: Path, pickle_bytes: bytes, key: str = "data", header: Any = None) -> Path:
    """An npz whose entry ``key`` is an object array's header and then these bytes."""
    entry = io.BytesIO()
    said = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(entry, header or said)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{key}.npy", entry.getvalue() + pickle_bytes)
    return path


def same(found: Any, wanted: Any) -> None:
    """Equal, array by array; numpy's numbers come out as Python's."""
    if isinstance(wanted, np.ndarray):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    elif isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for key in wanted:
            same(found[key], wanted[key])
    elif isinstance(wanted, list | tuple):
        assert type(found) is type(wanted)
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            same(one, other)
    else:
        assert found == wanted
        assert not isinstance(found, np.generic)


def test_reads_what_numpy_saves(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", data=pickled(PLAIN), other=pickled({"x": 1}))
    same(content(tmp_path / "a.npz", "data"), PLAIN)
    same(content(tmp_path / "a.npz", "other"), {"x": 1})


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("write", [pickle.dumps, vars(pickle)["_dumps"]], ids=["C", "Python"])
def test_reads_every_spelling(protocol: int, write: Callable[..., bytes], tmp_path: Path) -> None:
    """Of all protocols, by both of Python's picklers, except what only the newest does with single arrays."""
    if protocol == 5:
        with pytest.raises(DataError, match=r"numpy\._core\.numeric\._frombuffer"):
            content(written(tmp_path / "a.npz", write(pickled(PLAIN), protocol)), "data")
    else:
        same(content(written(tmp_path / "a.npz", write(pickled(PLAIN), protocol)), "data"), PLAIN)


def test_reads_what_older_numpy_wrote(tmp_path: Path) -> None:
    before = pickle.dumps(pickled(PLAIN), 2)
    assert b"numpy._core.multiarray" in before
    same(content(written(tmp_path / "a.npz", before.replace(b"numpy._core.", b"numpy.core.")), "data"), PLAIN)


def test_object_arrays_become_lists_and_what_is_shared_stays_shared(tmp_path: Path) -> None:
    poses = np.zeros((3, 2), np.float32)
    views = np.empty(2, object)
    views[:] = [poses, poses[:1]]
    np.savez(tmp_path / "a.npz", data=pickled({"a": views, "b": poses, "c": poses}))
    found = content(tmp_path / "a.npz", "data")
    same(found, {"a": [poses, poses[:1]], "b": poses, "c": poses})
    assert found["b"] is found["c"]
    assert found["a"][0] is found["b"]


def test_arrays_can_not_be_written_to(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", data=pickled({"a": np.zeros(3)}))
    with pytest.raises(ValueError, match="read-only"):
        content(tmp_path / "a.npz", "data")["a"][0] = 1


SYSTEM = Calls(os.system, "touch ran")
ATTRIBUTE = Calls(getattr, Calls(__import__, "os"), "system")


def in_objects() -> Any:
    """Inside an object array, in a list of such, in a dict."""
    inner = np.empty(2, object)
    inner[:] = [np.zeros(2), SYSTEM]
    outer = np.empty(1, object)
    outer[0] = inner
    return {"S1": {"Walking": [outer]}}


def with_attribute() -> Any:
    made: Any = OrderedDict(a=1)
    made.more = SYSTEM
    return made


class Kind:
    """Any class of somebody's."""


HOSTILE: dict[str, Callable[[], Any]] = {
    "the whole": lambda: SYSTEM,
    "os.system": lambda: {"S1": SYSTEM},
    "builtins.eval": lambda: {"S1": Calls(builtins.eval, TOUCH)},
    "builtins.exec": lambda: {"S1": Calls(builtins.exec, TOUCH)},
    "a key": lambda: {SYSTEM: 1},
    "inside numpy's own object arrays": in_objects,
    "a getattr on a module": lambda: {"S1": ATTRIBUTE},
    "an attribute of a dict": with_attribute,
    "numpy's own eval": lambda: {"S1": Calls(np.testing.runstring, TOUCH, {})},
    "numpy's own load": lambda: {"S1": Calls(np.load, "other.npy", None, True)},
    "a class of somebody's": lambda: {"S1": Kind()},
    "a memory map": lambda: {"S1": Calls(np.memmap, "ran", "u1", "w+", 0, 10)},
    "an array of a claimed size": lambda: {"S1": Calls(np.ndarray, (10**12,))},
    "zeros of a claimed size": lambda: {"S1": Calls(np.zeros, (10**12,))},
    "a type with fields": lambda: {"S1": np.zeros(2, [("a", "O")])},
    "dates": lambda: {"S1": np.zeros(2, "M8[s]")},
    "a set": lambda: {"S1": {1, 2}},
    "a complex number": lambda: {"S1": np.complex64(1j)},
}


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(path: Path, key: str = "data") -> str:
    with pytest.raises(DataError) as caught:
        content(path, key)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert not Path("ran").exists()
    return message


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("way", HOSTILE)
def test_nothing_runs(way: str, protocol: int, tmp_path: Path) -> None:
    path = written(tmp_path / "a.npz", pickle.dumps(pickled(HOSTILE[way]()), protocol))
    assert "the file is refused, nothing of it was run" in refused(path)


def test_the_hostile_files_are_hostile_indeed(tmp_path: Path) -> None:
    """Else the tests above would prove nothing."""
    for way in ("os.system", "inside numpy's own object arrays", "a key", "builtins.exec", "a memory map"):
        with np.load(written(tmp_path / "a.npz", pickle.dumps(pickled(HOSTILE[way]()), 4)), allow_pickle=True) as file:
            assert file["data"] is not None
        assert Path("ran").exists(), way
        Path("ran").unlink()


PROGRAMS = {
    "an instance by its name": b"(ios\nsystem\n.",
    "an object by its class": b"(cos\nsystem\nS'touch ran'\no.",
    "a new object": b"\x80\x02cos\nsystem\n(U\x09touch rant\x81.",
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent object": b"Pone\n.",
    "a call of the class of arrays": b"cnumpy\nndarray\n((I3\nttR.",
    "a call of what is no function": b"(I1\nI2\ntp0\n(tR.",
    "a change of a number": b"I1\n}b.",
    "a change of a function": b"cnumpy\ndtype\n}b.",
    "a change of an array twice": b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00f4K\x00K\x01\x87R"
    + b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t"
    + b"b}b.",
    "a name through another": b"\x80\x04\x8c\x05numpy\x8c\x0etesting.assert\x93.",
    "an encoder that could be any": b"c_codecs\nencode\n(VFF\nVhex\ntR.",
    "a decoder": b"c_codecs\ndecode\n(VFF\nVhex\ntR.",
}


@pytest.mark.parametrize("way", PROGRAMS)
def test_programs_that_no_pickler_writes(way: str, tmp_path: Path) -> None:
    assert "the file is refused, nothing of it was run" in refused(written(tmp_path / "a.npz", PROGRAMS[way]))


ARRAY = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntc_codecs\nencode\n(Vb\nVlatin1\ntRtR"
F4 = b"cnumpy\ndtype\n(Vf4\nI0\nI1\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntb"
BOMBS = {
    "bytes of a terabyte": b"\x8e" + (1 << 40).to_bytes(8, "little") + b"abc.",
    "a text of a terabyte": b"\x8d" + (1 << 40).to_bytes(8, "little") + b"abc.",
    "a number of two gigabytes": b"\x8b" + (2**31 - 1).to_bytes(4, "little") + b"\x01.",
    "an array longer than its bytes": ARRAY
    + b"(I1\n(I1000000000000\nt"
    + F4
    + b"I0\nc_codecs\nencode\n(Vabcd\nVlatin1\ntRtb.",
    "a place far off in the memo": b"\x80\x02K\x01r\xff\xff\xff\x7f0.",
    "more marks than there are": b"t.",
    "an empty stack": b".",
    "a memo that isn't": b"h\x07.",
    "an unhashable key": b"}(]]u.",
    "half a pair": b"}(I1\nu.",
    "no end": b"I1\n",
    "nothing": b"",
    "an array in itself": b"cnumpy._core.multiarray\n_reconstruct\n(tRp0\n(I1\n(t" + F4 + b"I0\n(lp1\ng0\natb.",
}


@pytest.mark.parametrize("way", BOMBS)
def test_bombs_and_wrecks(way: str, tmp_path: Path) -> None:
    refused(written(tmp_path / "a.npz", BOMBS[way]))


def test_shared_lists_do_not_multiply(tmp_path: Path) -> None:
    """Ten lists of ten times the one before, thirty times over: read as they are, in no time."""
    things: list[Any] = [0]
    for _ in range(30):
        things = [things] * 10
    found = content(written(tmp_path / "a.npz", pickle.dumps(pickled({"a": things}), 4)), "data")
    assert len(found["a"]) == 10


def test_deep_nesting(tmp_path: Path) -> None:
    depth = 100_000
    found = content(written(tmp_path / "a.npz", b"]" * depth + b"a" * (depth - 1) + b"."), "data")
    assert len(found) == 1
    refused(written(tmp_path / "b.npz", b"}" + b")" + b"\x85" * depth + b"I1\ns."))


@pytest.mark.parametrize("kept", [0, 3, 30, 200, -300, -60, -3])
def test_cut_short(kept: int, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", data=pickled(PLAIN))
    path = tmp_path / "a.npz"
    path.write_bytes(path.read_bytes()[:kept])
    assert "get the file again" in refused(path)


def test_any_damage_is_refused_or_harmless(tmp_path: Path) -> None:
    """Bytes changed in the pickle itself, behind the archive's checksum."""
    whole, rng = pickle.dumps(pickled(PLAIN), 4), np.random.default_rng(0)
    refusals = 0
    for _ in range(300):
        held = bytearray(whole)
        for place in rng.integers(0, len(held), rng.integers(1, 4)):
            held[place] = rng.integers(256)
        try:
            content(written(tmp_path / "a.npz", bytes(held)), "data")
        except DataError:
            refusals += 1
    assert refusals > 50


def test_what_is_not_such_a_file(tmp_path: Path) -> None:
    assert "can't be read" in refused(tmp_path / "missing.npz")
    (tmp_path / "a.npz").write_text("no archive")
    assert "not a zip file" in refused(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", data=np.zeros(3), text=np.array("x"))
    assert "holds plain float64" in refused(tmp_path / "a.npz")
    assert "has no key positions, only data, text" in refused(tmp_path / "a.npz", "positions")
    assert "cut short" not in refused(
        written(tmp_path / "b.npz", b"", header={"descr": "<f4", "fortran_order": False, "shape": (2,)})
    )


def test_a_claim_of_more_than_any_benchmark_holds(tmp_path: Path) -> None:
    """The archive's own claim of four gigabytes, before a byte is unpacked."""
    path = written(tmp_path / "a.npz", pickle.dumps(pickled(PLAIN), 4))
    with zipfile.ZipFile(path) as archive:
        size = archive.infolist()[0].file_size
    wide = path.read_bytes().replace(size.to_bytes(4, "little"), (0xFFFFFFFE).to_bytes(4, "little"))
    path.write_bytes(wide)
    assert "claims to unpack to 4 GB" in refused(path)
