"""A store on disk: a manifest, one journal of demonstrations, one of everything else, and derived columns at marks."""

import fcntl
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError, DataError, SpecError
from robolearn.core.specs import ArraySpec
from robolearn.core.types import Array
from robolearn.replay.columns import DEMO, Columns
from robolearn.replay.derived import Derived
from robolearn.replay.journal import Journal, Records, record_dtype, seal
from robolearn.replay.ledger import Rows

Mark = dict[str, int]
_KEPT_MARKS = 2


class Manifest(msgspec.Struct):
    """What a store directory holds."""

    columns: dict[str, tuple[str, tuple[int, ...]]]
    """Dtype and shape of one row, by column."""
    marks: list[Mark] = []
    """The newest two; no file is removed that one of them needs."""
    schema: str = "robolearn-replay-1"


class Snapshot(msgspec.Struct):
    """Header of a file with the derived values known at a mark; index, values and a CRC-32 follow."""

    name: str
    version: int
    count: int
    shape: tuple[int, ...]


class Disk:
    """The files of one store; one process at a time.

    Demonstrations have a journal of their own because they are never dropped, while files of other steps go once none
    of their rows is in memory or needed by a mark.
    """

    def __init__(self, directory: Path, manifest: Manifest, capacity: int) -> None:
        self.directory = directory
        self.manifest = manifest
        self._lock = _lock(directory)
        self._dtype = record_dtype(manifest.columns)
        try:
            self.demo = Journal(directory, "demo", self._dtype, capacity)
            self.online = Journal(directory, "online", self._dtype, capacity)
        except (DataError, OSError):
            os.close(self._lock)
            raise

    @classmethod
    def create(cls, directory: Path, columns: Mapping[str, ArraySpec], capacity: int) -> "Disk":
        """Start a store.

        Raises:
            DataError: If there is one already, or the device fails.
        """
        path = directory / "manifest.json"
        if path.exists():
            fix = "use Replay.open to go on with it, or another directory"
            raise DataError(f"replay directory {directory}", expected="no store", got="one", fix=fix)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"replay directory {directory}", expected="a folder", got=error.strerror) from error
        manifest = Manifest(_described(columns))
        write_atomically(path, msgspec.json.encode(manifest))
        return cls(directory, manifest, capacity)

    @classmethod
    def open(cls, directory: Path, columns: Mapping[str, ArraySpec], capacity: int) -> "Disk":
        """Open a store.

        Raises:
            DataError: If there is none, it is damaged, or another process has it.
            SpecError: If its columns differ from `columns`.
        """
        path = directory / "manifest.json"
        try:
            manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
        except FileNotFoundError as error:
            raise DataError(str(path), expected="the manifest of a replay store", got="no such file") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(str(path), expected="the manifest of a replay store", got=str(error)) from error
        described = _described(columns)
        for name in {**manifest.columns, **described}:
            stored, wanted = manifest.columns.get(name), described.get(name)
            if stored != wanted:
                where = f"{path}, column '{name}'"
                raise SpecError(where, expected=wanted or "absent", got=stored or "absent")
        return cls(directory, manifest, capacity)

    def append(self, columns: Columns, slots: Rows) -> None:
        """Write those of the rows in `slots`, which are in the order of their index, that are not written yet.

        Raises:
            DataError: If the device is full or fails; rows of this call may be written, but none by half.
        """
        demo = columns.source[slots] == DEMO
        for journal, mine in ((self.demo, slots[demo]), (self.online, slots[~demo])):
            fresh = mine[columns.index[mine] > journal.last]
            if len(fresh):
                records = np.empty(len(fresh), self._dtype)
                for name, array in columns.arrays.items():
                    records[name] = array[fresh]
                seal(records)
                journal.append(records)

    def load(self, columns: Columns) -> int:
        """Fill slots from 0 on with the rows that belong in memory, in the order of their index; return how many.

        Raises:
            ConfigError: If the demonstrations alone exceed the capacity.
        """
        demo = _indices(self.demo)
        if len(demo) > columns.capacity:
            got = f"{columns.capacity:,}"
            raise ConfigError("replay capacity", expected=f"at least {len(demo):,} rows of demonstrations", got=got)
        online = _indices(self.online)
        online = online[len(online) - min(len(online), columns.capacity - len(demo)) :]
        merged = np.sort(np.concatenate([demo, online]))
        for records in _both(self.demo, self.online):
            index = np.ascontiguousarray(records["index"])
            wanted = np.isin(index, merged)
            slots = np.searchsorted(merged, index[wanted])
            for name, array in columns.arrays.items():
                array[slots] = records[name][wanted]
        return len(merged)

    def holds(self, mark: Mark) -> bool:
        """Return whether all rows that were in memory at `mark` are still in the files."""
        first = self.online.first
        return mark["oldest"] >= mark["rows"] or (first is not None and first <= mark["oldest"])

    def truncate(self, index: int) -> None:
        """Drop all rows with `index` or a higher one."""
        self.demo.truncate(index)
        self.online.truncate(index)

    def trim(self, oldest: int) -> None:
        """Remove files that neither memory, whose oldest row is `oldest`, nor a mark needs."""
        self.online.drop_before(min([oldest, *(mark["oldest"] for mark in self.manifest.marks)]))

    def put_mark(self, mark: Mark, derived: Derived) -> None:
        """Make everything up to `mark` durable, with the derived values known now.

        Raises:
            DataError: If the device is full or fails.
        """
        self.demo.sync()
        self.online.sync()
        for position, name in enumerate(derived.caches):
            index, values = derived.snapshot(name)
            header = Snapshot(name, derived.caches[name].version, len(index), values.shape[1:])
            write_atomically(self._derived_path(mark["mark"], position), _pack(header, index, values))
        self._keep_marks([*self.manifest.marks, mark][-_KEPT_MARKS:])

    def drop_marks(self, mark: Mark) -> None:
        """Forget all marks later than `mark`."""
        self._keep_marks([m for m in self.manifest.marks if m["mark"] <= mark["mark"]])

    def derived_at(self, mark: Mark) -> Iterator[tuple[str, int, NDArray[np.int64], Array]]:
        """Yield (name, version, index (N,), values (N, copies, ...)) of each derived column known at `mark`.

        Raises:
            DataError: If a file is damaged.
        """
        for path in sorted(self.directory.glob(f"mark-{mark['mark']:08d}-*.derived")):
            yield _unpack(path)

    def close(self) -> None:
        """Release the files; may be called twice."""
        self.demo.close()
        self.online.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _keep_marks(self, marks: list[Mark]) -> None:
        manifest = Manifest(self.manifest.columns, marks)
        write_atomically(self.directory / "manifest.json", msgspec.json.encode(manifest))
        self.manifest = manifest
        kept = {f"mark-{mark['mark']:08d}" for mark in marks}
        for path in self.directory.glob("mark-*.derived"):
            if path.name[:13] not in kept:
                path.unlink()

    def _derived_path(self, mark: int, position: int) -> Path:
        return self.directory / f"mark-{mark:08d}-{position}.derived"


def write_atomically(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file so that it is there as a whole or not at all, also after a power cut.

    Raises:
        DataError: If the device is full or fails.
    """
    scratch = path.with_suffix(".tmp")
    try:
        with scratch.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise DataError(str(path), expected="room for the file", got=error.strerror, fix="free some space") from error


def _lock(directory: Path) -> int:
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        fix = "close the other replay, or wait for its process to end"
        raise DataError(
            f"replay directory {directory}", expected="to be its only user", got="another", fix=fix
        ) from error
    return handle


def _described(columns: Mapping[str, ArraySpec]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: (spec.dtype, tuple(spec.shape)) for name, spec in columns.items()}


def _both(*journals: Journal) -> Iterator[Records]:
    for journal in journals:
        yield from journal.read()


def _indices(journal: Journal) -> NDArray[np.int64]:
    parts = [np.ascontiguousarray(records["index"]) for records in journal.read()]
    return np.concatenate([np.empty(0, np.int64), *parts])


def _pack(header: Snapshot, index: NDArray[np.int64], values: Array) -> bytes:
    body = index.astype("<i8").tobytes() + np.ascontiguousarray(values, "<f4").tobytes()
    return msgspec.json.encode(header) + b"\n" + body + zlib.crc32(body).to_bytes(4, "little")


def _unpack(path: Path) -> tuple[str, int, NDArray[np.int64], Array]:
    head, _, rest = path.read_bytes().partition(b"\n")
    body = rest[:-4]
    if zlib.crc32(body).to_bytes(4, "little") != rest[-4:]:
        raise DataError(f"{path}, byte {len(head) + 1}", expected="a correct checksum", got="another")
    try:
        header = msgspec.json.decode(head, type=Snapshot)
        index = np.frombuffer(body, "<i8", header.count)
        values = np.frombuffer(body, "<f4", offset=index.nbytes).reshape(header.count, *header.shape)
    except (msgspec.DecodeError, ValueError) as error:
        raise DataError(f"{path}, byte 0", expected="derived values", got=str(error)) from error
    return header.name, header.version, index, values
