"""The log of an actor: every step is in it before it is sent, so that none is lost when either side dies."""

import fcntl
import io
import os
import secrets
import struct
import zlib
from array import array
from pathlib import Path
from types import TracebackType
from typing import Self

from robolearn.core.errors import DataError

MAGIC = b"robolearn-steps/1\n"
_RECORD = struct.Struct("<III")
"""Length and CRC-32 of the bytes that follow, and CRC-32 of these two: a wrong length must not look like a log that was cut off."""
_BOTH = struct.Struct("<II")


class StepLog:
    """An append-only file of numbered records; what a crash cut off at its end is dropped when it is opened again.

    Args:
        path: The file; made if there is none.

    Raises:
        DataError: If it is no log, damaged before its end, or in use by another process.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("a+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise DataError(
                str(path), expected="a log that nobody else writes", got="one in use", fix="give each actor a name"
            ) from error
        self._starts = array("Q")
        if os.fstat(self._file.fileno()).st_size == 0:
            self._file.write(MAGIC + secrets.token_hex(16).encode() + b"\n")
        try:
            self.id, self._end = self._read()
        except DataError:
            self._file.close()
            raise
        self._file.truncate(self._end)

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self._starts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, record: bytes) -> int:
        """Hand a record to the operating system, where a killed process does not lose it; return its number.

        Raises:
            DataError: If the disk is full; the log is as it was then.
        """
        length, checksum = len(record), zlib.crc32(record)
        whole = _RECORD.pack(length, checksum, zlib.crc32(_BOTH.pack(length, checksum))) + record
        try:
            written = self._file.write(whole)
        except OSError as error:
            self._file.truncate(self._end)
            raise DataError(str(self.path), expected="room on the disk", got=str(error)) from error
        if written != len(whole):
            self._file.truncate(self._end)
            raise DataError(str(self.path), expected="room on the disk", got=f"{written} of {len(whole)} bytes")
        self._starts.append(self._end)
        self._end += len(whole)
        return len(self._starts) - 1

    def __getitem__(self, number: int) -> bytes:
        """Return the record of a number, from 0."""
        start = self._starts[number]
        stop = self._starts[number + 1] if number + 1 < len(self._starts) else self._end
        return os.pread(self._file.fileno(), stop - start - _RECORD.size, start + _RECORD.size)

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()

    def _read(self) -> tuple[str, int]:
        """Find all records; return the id of the log and where the last whole record ends."""
        reader = io.BufferedReader(io.FileIO(self._file.fileno(), closefd=False), 1 << 20)
        reader.seek(0)
        if reader.read(len(MAGIC)) != MAGIC:
            raise DataError(str(self.path), expected="a log of steps", got="another file")
        identity = reader.readline().strip().decode("ascii", "replace")
        end = reader.tell()
        while len(head := reader.read(_RECORD.size)) == _RECORD.size:
            length, checksum, sealed = _RECORD.unpack(head)
            known = sealed == zlib.crc32(_BOTH.pack(length, checksum))
            record = reader.read(length) if known else b""
            if known and len(record) < length:
                break  # cut off
            if not known or zlib.crc32(record) != checksum:
                where, fix = f"{self.path}, byte {end}", "keep the file, and let the actor start a new log"
                raise DataError(where, expected=f"record {len(self._starts)}", got="damaged bytes", fix=fix)
            self._starts.append(end)
            end += _RECORD.size + length
        return identity, end
