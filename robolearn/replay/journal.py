"""Append-only files of fixed-size records with a checksum each; what a killed process leaves is always readable."""

import hashlib
import logging
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import DataError

_log = logging.getLogger(__name__)
_MAGIC = b"robolearn-replay-1\n"
_HEADER = 64
_SEGMENT_BYTES = 64 << 20

Records = NDArray[np.void]


def record_dtype(columns: Mapping[str, tuple[str, tuple[int, ...]]]) -> np.dtype:
    """Return the packed layout of one record: every column of a row, then the CRC-32 of those bytes."""
    fields = [(name, dtype, shape) for name, (dtype, shape) in columns.items()]
    return np.dtype([*fields, ("crc", "<u4")])


def seal(records: Records) -> None:
    """Fill in the checksum of every record."""
    raw = _rows(records)
    records["crc"] = [zlib.crc32(row) for row in raw[:, :-4]]


@dataclass(slots=True)
class Segment:
    """One file of a journal, how many records it holds, and the index of the first and the last of them."""

    path: Path
    count: int = 0
    first: int = -1
    last: int = -1


class Journal:
    """Records in ascending order of their `index`, spread over files `<kind>-<number>.rows`.

    Only whole records are ever left behind: a write that fails is undone, and a torn tail (a cut record or broken
    checksums up to the end of the newest file, as after a power cut) is cut off when the journal is opened. A broken
    checksum with an intact record after it is damage, and refused.
    """

    def __init__(self, directory: Path, kind: str, dtype: np.dtype, capacity: int) -> None:
        """Open the journal `kind` in `directory`, empty if it has no files yet.

        Raises:
            DataError: If a file is damaged or of another layout.
        """
        self.kind = kind
        self._directory = directory
        self._dtype = dtype
        self._segment_rows = max(1, min(_SEGMENT_BYTES // dtype.itemsize, capacity // 8))
        self._header = (_MAGIC + hashlib.sha256(repr(dtype.descr).encode()).hexdigest()[:32].encode()).ljust(_HEADER)
        self._file: int | None = None
        self.segments: list[Segment] = []
        paths = sorted(directory.glob(f"{kind}-*.rows"))
        for path in paths:
            self._adopt(path, newest=path == paths[-1])

    @property
    def first(self) -> int | None:
        """Return the index of the oldest record, None if there is none."""
        return self.segments[0].first if self.segments else None

    @property
    def last(self) -> int:
        """Return the index of the newest record, -1 if there is none."""
        return self.segments[-1].last if self.segments else -1

    def append(self, records: Records) -> None:
        """Write sealed records after all others; either all of them are in the files afterwards, or none.

        Raises:
            DataError: If the device is full or fails.
        """
        start = 0
        before = [replace(segment) for segment in self.segments[-1:]]
        kept = len(self.segments)
        try:
            while start < len(records):
                if not self.segments or self.segments[-1].count >= self._segment_rows:
                    self._begin_segment()
                segment = self.segments[-1]
                part = records[start : start + self._segment_rows - segment.count]
                self._write(part.view(np.uint8).data)
                segment.first = segment.first if segment.count else int(part["index"][0])
                segment.count += len(part)
                segment.last = int(part["index"][-1])
                start += len(part)
        except OSError as error:
            self._undo(kept, before)
            where = f"replay journal {self._directory}"
            fix = "free some space; no half-written step was left"
            raise DataError(where, expected="room for the new steps", got=error.strerror, fix=fix) from error

    def read(self) -> Iterator[Records]:
        """Yield the records of each file, in order."""
        for segment in self.segments:
            yield self._load(segment.path)[: segment.count]

    def truncate(self, index: int) -> None:
        """Drop all records with `index` or a higher one."""
        self._release()
        while self.segments and self.segments[-1].last >= index:
            segment = self.segments[-1]
            kept = self._load(segment.path)["index"]
            segment.count = int(np.searchsorted(kept, index))
            if segment.count:
                segment.last = int(kept[segment.count - 1])
                os.truncate(segment.path, _HEADER + segment.count * self._dtype.itemsize)
            else:
                self.segments.pop().path.unlink()

    def drop_before(self, index: int) -> None:
        """Remove files that hold only records older than `index`; the newest file always stays."""
        while len(self.segments) > 1 and self.segments[0].last < index:
            self.segments.pop(0).path.unlink()

    def sync(self) -> None:
        """Return when all records are on the device."""
        if self._file is not None:
            os.fsync(self._file)

    def close(self) -> None:
        """Release the file; may be called twice."""
        self._release()

    def _begin_segment(self) -> None:
        self.sync()
        self._release()
        number = int(self.segments[-1].path.stem.split("-")[1]) + 1 if self.segments else 0
        path = self._directory / f"{self.kind}-{number:08d}.rows"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        self.segments.append(Segment(path))
        self._write(memoryview(self._header))

    def _write(self, data: memoryview) -> None:
        if self._file is None:
            self._file = os.open(self.segments[-1].path, os.O_WRONLY | os.O_APPEND)
        view = data.cast("B")
        while view:
            view = view[os.write(self._file, view) :]

    def _undo(self, kept: int, before: list[Segment]) -> None:
        self._release()
        while len(self.segments) > kept:
            self.segments.pop().path.unlink(missing_ok=True)
        for segment in before:
            self.segments[-1] = segment
            os.truncate(segment.path, _HEADER + segment.count * self._dtype.itemsize)

    def _release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _adopt(self, path: Path, *, newest: bool) -> None:
        size, width = path.stat().st_size, self._dtype.itemsize
        if newest and size < _HEADER:
            _log.warning("%s: dropped, its header was cut off", path)
            path.unlink()
            return
        with path.open("rb") as file:
            header = file.read(_HEADER)
        if header != self._header:
            expected = "a replay file with the columns of this store"
            raise DataError(f"{path}, byte 0", expected=expected, got=f"header {header[:24]!r}")
        records = self._load(path)
        count = self._intact(path, records, newest=newest)
        kept = _HEADER + count * width
        if kept != size:
            if not newest:
                raise DataError(f"{path}, byte {kept}", expected="a whole record", got=f"{size - kept} bytes")
            _log.warning("%s: %d bytes of a torn tail dropped", path, size - kept)
            os.truncate(path, kept)
        if count:
            index = records["index"]
            self.segments.append(Segment(path, count, int(index[0]), int(index[count - 1])))
        else:
            path.unlink()

    def _intact(self, path: Path, records: Records, *, newest: bool) -> int:
        good = np.array([zlib.crc32(row) for row in _rows(records)[:, :-4]], np.uint32) == records["crc"]
        if good.all():
            return len(records)
        first = int(np.argmin(good))
        if newest and not good[first:].any():
            return first
        at = _HEADER + first * self._dtype.itemsize
        fix = "the store is damaged: restore it from a copy, or delete this file to lose its steps"
        raise DataError(f"{path}, byte {at}", expected="a record with a correct checksum", got="another", fix=fix)

    def _load(self, path: Path) -> Records:
        count = (path.stat().st_size - _HEADER) // self._dtype.itemsize
        return np.fromfile(path, self._dtype, count=count, offset=_HEADER)


def _rows(records: Records) -> NDArray[np.uint8]:
    return records.view(np.uint8).reshape(len(records), records.dtype.itemsize)
