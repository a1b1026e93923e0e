"""What an npz with pickled arrays holds, read without unpickling it: nothing in the file can run.

A pickle is a program for a small stack machine, and two of its instructions, to import a name and to call what it
imported, let a file do whatever Python can. Here a machine of our own follows the program, which pickletools only takes
apart. It imports nothing: the few names by which numpy spells arrays and numbers stand for functions of this file,
which build them from plain bytes. What comes out is None, booleans, numbers, texts, bytes, lists, tuples, dicts and
numeric arrays; object arrays become lists. Any other name or instruction is refused, before anything came of it. Sizes
that a file claims are never taken on trust: an array is as long as the bytes that are there.

torch's own restricted unpickler (ablate/weights/opening.py) does the same for checkpoints; it makes tensors out of
torch's storages, this one arrays out of numpy's, and neither reads the other's files.
"""

import pickletools
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ablate.errors import DataError

LARGEST = 4e9  # bytes that an entry may unpack to; published ones stay under 1e9
LONGEST = 200  # letters of a file's own words that are shown
NUMERIC = re.compile(r"[biuf](1|2|4|8)|[SU]\d{1,6}")
GET_IT_AGAIN = "get the file again"
Stack = list[Any]


class _Refused(Exception):
    """The program wants something that plain data never need."""


def content(path: Path, key: str) -> Any:
    """The pickled entry ``key`` of the npz at ``path``, as plain containers and numeric arrays (which can't be written
    to). Raises DataError where the file is missing or damaged, or names anything that could run."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy"): name for name in archive.namelist()}
            if key not in names:
                raise DataError(
                    f"{path}: has no key {key}, only {', '.join(sorted(names)) or 'nothing'}; {GET_IT_AGAIN}"
                )
            size = archive.getinfo(names[key]).file_size
            if size > LARGEST:
                text = f"{key} claims to unpack to {size / 1e9:.0f} GB, more than any benchmark holds"
                raise DataError(f"{path}: {text}; {GET_IT_AGAIN}")
            with archive.open(names[key]) as file:
                _expect_objects(file)
                return _evaluated(file)
    except DataError:
        raise
    except _Refused as refused:
        raise DataError(
            f"{path}: {key} {refused}, which no array needs and which could run; the file is refused, nothing of it "
            "was run. Get it from whom you trust"
        ) from None
    except Exception as error:  # a damaged or hostile file can raise anything
        reason = " ".join(str(error).split())[:LONGEST] or type(error).__name__
        raise DataError(f"{path}: {key} can't be read ({reason}); {GET_IT_AGAIN}") from error


def _expect_objects(file: IO[bytes]) -> None:
    """Read an npy file's header. Raises ValueError unless a pickle of an object array follows."""
    headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(file)
    if version not in headers:
        raise ValueError(f"it is of version {version} of numpy's format")
    *_, dtype = headers[version](file)
    if dtype != np.dtype(object):
        raise ValueError(f"it holds plain {dtype}, expected a pickled dict")


def _evaluated(file: IO[bytes]) -> Any:
    """What the pickle in ``file`` builds. Raises _Refused, and anything for a damaged one."""
    machine = _Machine()
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name == "STOP":
            return machine.result()
        machine.follow(opcode.name, argument)
    raise EOFError("cut short")


class _Unmade:
    """An array or a type between the call that names it and the instruction that brings its state."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self.make = make
        self.made: Any = None


class _Named:
    """A name of numpy's, which stands for a function of this file."""

    def __init__(self, build: Callable[..., Any]) -> None:
        self.build = build


class _Machine:
    """Follows one instruction after the other. ``marks`` are the stacks below the last MARK instructions, ``unmade``
    counts what was called for and still lacks its state."""

    def __init__(self) -> None:
        self.stack: Stack = []
        self.marks: list[Stack] = []
        self.memo: dict[int, Any] = {}
        self.unmade = 0

    def result(self) -> Any:
        if self.unmade:
            raise ValueError("an array without content")
        return self.stack.pop()

    def follow(self, name: str, argument: Any) -> None:
        if name in PUSHES:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in FOLLOWED:
            FOLLOWED[name](self, argument)
        elif name not in IGNORED:
            raise _Refused(f"uses the instruction {name}")

    def since_mark(self) -> Stack:
        """What was pushed since the last MARK; the stack is then the one before it."""
        found, self.stack = self.stack, self.marks.pop()
        return found

    def mark(self, _: Any) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def take(self, count: int) -> Stack:
        found = [self.stack.pop() for _ in range(count)]
        return found[::-1]

    def remember(self, place: int | None) -> None:
        self.memo[len(self.memo) if place is None else place] = self.stack[-1]

    def recall(self, place: int) -> None:
        found = self.memo[place]
        self.stack.append(found.made if isinstance(found, _Unmade) else found)

    def extend(self, things: Stack) -> None:
        _of(self.stack[-1], list).extend(things)

    def enter(self, things: Stack) -> None:
        holder = _of(self.stack[-1], dict)
        for key, value in zip(things[::2], things[1::2], strict=True):
            holder[_of(key, str | int | float)] = value

    def name(self, module: str, name: str) -> None:
        if (module, name) not in NAMES:
            raise _Refused(f"names {module}.{name}")
        self.stack.append(NAMES[module, name])

    def call(self, _: Any) -> None:
        named, given = self.take(2)
        if not isinstance(named, _Named):
            raise _Refused(f"calls a {type(named).__name__}")
        called = named.build(*_of(given, tuple))
        self.unmade += isinstance(called, _Unmade)
        self.stack.append(called)

    def build(self, _: Any) -> None:
        unmade, state = self.take(2)
        if not isinstance(unmade, _Unmade) or unmade.made is not None:
            raise _Refused(f"changes a {type(unmade).__name__}")
        unmade.made = unmade.make(state)
        self.unmade -= 1
        self.stack.append(unmade.made)


def _of(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a {type(value).__name__} where there can't be one")
    return value


def _reconstruct(*_: Any) -> _Unmade:
    return _Unmade(_array)


def _array(state: Any) -> Any:
    """An array from its pickled state (version, shape, type, whether Fortran's order, content)."""
    _, shape, dtype, fortran, held = state
    if dtype is object:
        if len(shape) > 1 or len(_of(held, list)) != (shape[0] if shape else 1):
            raise ValueError(f"an object array of shape {shape} with {len(held)} objects")
        return held if shape else held[0]
    return np.frombuffer(_of(held, bytes), _of(dtype, np.dtype)).reshape(shape, order="F" if fortran else "C")


def _dtype(spelt: str, *_: Any) -> _Unmade:
    def ordered(state: Any) -> Any:
        _, order, subtype, names, fields, *_rest = state
        if spelt in ("O", "O8") and (subtype, names, fields) == (None, None, None):
            return object  # stands for nothing but itself: such an array holds a list
        if not NUMERIC.fullmatch(spelt) or order not in ("<", ">", "=", "|") or (subtype, names, fields) != (None,) * 3:
            raise _Refused("has an array of something else than numbers")
        return np.dtype(order + spelt)

    return _Unmade(ordered)


def _scalar(dtype: Any, held: Any) -> Any:
    (value,) = np.frombuffer(_of(held, bytes), _of(dtype, np.dtype))
    return value.item()


def _encode(text: Any, encoding: Any) -> bytes:
    """How bytes are spelt in older pickles."""
    if encoding != "latin1":
        raise _Refused(f"encodes as {encoding}")
    return bytes(_of(text, str).encode("latin1"))


PUSHES = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
)
CONSTANTS: Mapping[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
IGNORED = ("PROTO", "FRAME")
FOLLOWED: Mapping[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "TUPLE": lambda machine, _: _push(machine, tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.stack.append(tuple(machine.take(1))),
    "TUPLE2": lambda machine, _: machine.stack.append(tuple(machine.take(2))),
    "TUPLE3": lambda machine, _: machine.stack.append(tuple(machine.take(3))),
    "LIST": lambda machine, _: _push(machine, machine.since_mark()),
    "APPEND": lambda machine, _: machine.extend(machine.take(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "DICT": lambda machine, _: _push_dict(machine),
    "SETITEM": lambda machine, _: machine.enter(machine.take(2)),
    "SETITEMS": lambda machine, _: machine.enter(machine.since_mark()),
    "PUT": _Machine.remember,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "MEMOIZE": _Machine.remember,
    "GET": _Machine.recall,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "GLOBAL": lambda machine, spelt: machine.name(*spelt.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.take(2)),
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
}


def _push(machine: _Machine, value: Any) -> None:
    """After ``since_mark``, which changes the machine's stack."""
    machine.stack.append(value)


def _push_dict(machine: _Machine) -> None:
    things = machine.since_mark()
    machine.stack.append({})
    machine.enter(things)


# How numpy's releases, and Python for bytes, spell what makes an array, its type or a number.
NAMES: Mapping[tuple[str, str], Any] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Named(_reconstruct) for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Named(_scalar) for core in ("core", "_core")},
    ("numpy", "dtype"): _Named(_dtype),
    ("numpy", "ndarray"): "the class of arrays, only ever given to _reconstruct",
    ("_codecs", "encode"): _Named(_encode),
}
