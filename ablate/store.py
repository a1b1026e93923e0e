"""Trained weights, and checkpoints of trainings in progress, by the hash of what makes them: a training is paid for
once, and what was paid for survives its process.

A store is a folder or any fsspec URL, so that machines can share one:

    <root>/weights/<key>.safetensors        finished trainings
    <root>/checkpoints/<key>.safetensors    the last finished epoch of those that are not

A file appears under its name whole or not at all: it is written to a temporary name (``.*.part``), then renamed. A
sha256 over everything that a file says travels in its metadata and is checked whenever it is read.
"""

import hashlib
import json
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ablate.errors import AblateError, InputError, StorageError
from ablate.trained import Checkpoint, Weights
from ablate.writing import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["weights", "checkpoints"]

KINDS: tuple[Kind, ...] = ("weights", "checkpoints")
WITHOUT = {"weights": "the study trains them again", "checkpoints": "the training starts from its first epoch"}
SUFFIX = ".safetensors"
CHECKSUM = "sha256"


@dataclass(frozen=True, kw_only=True)
class Item:
    """A file of the store; ``modified`` is None where its file system does not say."""

    kind: Kind
    name: str
    bytes: int
    modified: datetime | None

    @property
    def key(self) -> str | None:
        """None for a temporary file: a killed writer left it, or a living one is at it (``modified`` tells)."""
        return self.name.removesuffix(SUFFIX) if self.name.endswith(SUFFIX) else None


class Store:
    """See the module's text. Every method raises StorageError, with the place, when the file system fails."""

    def __init__(self, root: str | Path) -> None:
        """Raises InputError when no installed library speaks the protocol of the URL, or it can't be opened."""
        try:
            if isinstance(root, str) and "://" in root:
                # Other machines write as well: a remembered listing would hide their files.
                self._files, self._top = fsspec.url_to_fs(root, use_listings_cache=False)
            else:
                self._files, self._top = LocalFileSystem(), str(Path(root).absolute())
        except Exception as error:  # each protocol has a library of its own, with its own exceptions
            raise InputError(f"--store: {root} can't be opened ({error}); mend it, or name a folder") from error
        self._top = self._top.rstrip("/")
        self._local = isinstance(self._files, LocalFileSystem)

    def __str__(self) -> str:
        return self._told(self._top)

    def prepare(self) -> None:
        """Make the folders, and prove that they can be written before hours of work depend on it."""
        for kind in KINDS:
            path = self._path(kind, f".{uuid.uuid4().hex}.part")
            self._put(path, b"\0")
            self._drop(path)

    def place(self, key: str, kind: Kind = "weights") -> str:
        """Where the file of ``key`` lies, for messages."""
        return self._told(self._path(kind, key + SUFFIX))

    def has(self, key: str) -> bool:
        """Whether weights are stored; their content isn't read."""
        path = self._path("weights", key + SUFFIX)
        with self._failing(path, "read"):
            try:
                self._files.info(path)  # its exists() takes a lost connection for a missing file
            except FileNotFoundError:
                return False
            return True

    def load(self, key: str) -> Weights | None:
        """Stored weights, or None where there are none. Raises StorageError when the file is damaged."""
        found = self._read("weights", key)
        return None if found is None else Weights(*found)

    def save(self, key: str, weights: Weights) -> None:
        """Nothing half-written is left when it fails."""
        self._put(self._path("weights", key + SUFFIX), _packed(weights.state, weights.metadata))

    def load_checkpoint(self, key: str) -> Checkpoint | None:
        """The last one saved, or None. Raises StorageError when the file is damaged."""
        found = self._read("checkpoints", key)
        if found is None:
            return None
        tensors, metadata = found
        try:
            return Checkpoint(tensors=tensors, **json.loads(metadata["progress"]))
        except (KeyError, TypeError) as error:
            raise self._damaged("checkpoints", key, f"it tells of no progress: {error}") from error

    def save_checkpoint(self, key: str, checkpoint: Checkpoint) -> None:
        """It takes the place of the one before, which stays when writing fails."""
        progress = {"curves": checkpoint.curves, "seconds": checkpoint.seconds, "scaler": checkpoint.scaler}
        content = _packed(checkpoint.tensors, {"progress": json.dumps(progress)})
        self._put(self._path("checkpoints", key + SUFFIX), content)

    def drop_checkpoint(self, key: str) -> None:
        """Where there is none, nothing happens."""
        self._drop(self._path("checkpoints", key + SUFFIX))

    def items(self) -> list[Item]:
        """All that the store holds, temporary files included, weights first, by name."""
        return [item for kind in KINDS for item in sorted(self._items(kind), key=lambda item: item.name)]

    def remove(self, item: Item) -> None:
        """Where it is gone already, nothing happens."""
        self._drop(self._path(item.kind, item.name))

    @contextmanager
    def file(self, key: str) -> Iterator[Path]:
        """The weights of ``key`` as a file on this machine: the stored one itself, or a download that lasts as long as
        the context. Raises StorageError when there are none."""
        path = self._path("weights", key + SUFFIX)
        with tempfile.TemporaryDirectory() as folder:
            here = Path(path) if self._local else Path(folder) / f"{key}{SUFFIX}"
            with self._failing(path, "read"):
                if self._local:
                    self._files.info(path)
                else:
                    self._files.get_file(path, str(here))
            yield here

    def _path(self, kind: Kind, name: str) -> str:
        return f"{self._top}/{kind}/{name}"

    def _told(self, path: str) -> str:
        return path if self._local else str(self._files.unstrip_protocol(path))

    @contextmanager
    def _failing(self, path: str, verb: str) -> Iterator[None]:
        """What the file system raises inside becomes a StorageError, whichever library's exception it is."""
        try:
            yield
        except AblateError:
            raise
        except Exception as error:
            text = f"{self._told(path)}: can't be {verb} ({error}); mend it, or name another --store"
            raise StorageError(text) from error

    def _read(self, kind: Kind, key: str) -> "tuple[dict[str, Tensor], dict[str, str]] | None":
        from safetensors import SafetensorError

        path = self._path(kind, key + SUFFIX)
        with self._failing(path, "read"):
            try:
                content: bytes = self._files.cat_file(path)
            except FileNotFoundError:
                return None
        try:
            return _unpacked(content)
        except (SafetensorError, ValueError) as error:
            raise self._damaged(kind, key, str(error)) from error

    def _damaged(self, kind: Kind, key: str, why: str) -> StorageError:
        return StorageError(f"{self.place(key, kind)}: damaged {kind} ({why}); delete the file, and {WITHOUT[kind]}")

    def _put(self, path: str, content: bytes) -> None:
        if self._local:
            write_atomically(Path(path), content)
            return
        folder, name = path.rsplit("/", 1)
        temporary = f"{folder}/.{name}-{uuid.uuid4().hex}.part"
        with self._failing(path, "written"):
            try:
                self._files.makedirs(folder, exist_ok=True)
                self._files.pipe_file(temporary, content)
                self._files.mv(temporary, path)
            except BaseException:
                with suppress(Exception):  # what went wrong first is what is told
                    self._files.rm_file(temporary)
                raise

    def _drop(self, path: str) -> None:
        with self._failing(path, "removed"), suppress(FileNotFoundError):
            self._files.rm_file(path)

    def _items(self, kind: Kind) -> Iterator[Item]:
        folder = f"{self._top}/{kind}"
        with self._failing(folder, "listed"):
            try:
                found = self._files.ls(folder, detail=True)
            except FileNotFoundError:
                return
            for entry in found:
                name = entry["name"].rsplit("/", 1)[-1]
                if entry["type"] == "directory" or not name.endswith((SUFFIX, ".part")):
                    continue
                with suppress(FileNotFoundError):  # dropped by another process meanwhile
                    yield Item(kind=kind, name=name, bytes=entry["size"], modified=self._modified(entry["name"]))

    def _modified(self, path: str) -> datetime | None:
        try:
            found: datetime = self._files.modified(path)
        except NotImplementedError:
            return None
        return found


def _packed(tensors: "Mapping[str, Tensor]", metadata: Mapping[str, str]) -> bytes:
    from safetensors.torch import save

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return save(plain, {**metadata, CHECKSUM: _checksum(plain, metadata)})


def _unpacked(content: bytes) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """Raises SafetensorError or ValueError unless it is, bit for bit, what was packed."""
    from safetensors.torch import load

    tensors = load(content)
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]  # the file begins with its header's length
    metadata: dict[str, str] = json.loads(header).get("__metadata__", {})
    told = metadata.pop(CHECKSUM, None)
    if told is None:
        raise ValueError("it carries no checksum")
    if told != _checksum(tensors, metadata):
        raise ValueError("its checksum is another one than its content's")
    return tensors, metadata


def _checksum(tensors: "Mapping[str, Tensor]", metadata: Mapping[str, str]) -> str:
    import torch

    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
