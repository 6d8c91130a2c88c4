"""Files and folders that are written whole or not at all, and folders that list the checksums of what they hold."""

import io
import json
import os
import shutil
import zlib
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from typing_extensions import Buffer, override

from robolearn.core.errors import CheckpointError


class CheckedFile(io.BufferedWriter):
    """A binary file, open for writing, that keeps size and checksum of what went in."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "w"))
        self.size = 0
        self.crc = 0
        """CRC-32."""
        self.failure: OSError | None = None
        """Why a write failed; libraries tend to hide it behind an error of their own."""

    @override
    def write(self, buffer: Buffer, /) -> int:
        try:
            written = super().write(buffer)
        except OSError as error:
            self.failure = error
            raise
        self.crc = zlib.crc32(buffer, self.crc)
        self.size += written
        return written


class FolderWriter:
    """Makes the files of a folder that is being built, and remembers their sizes and checksums."""

    def __init__(self, folder: Path) -> None:
        self.files: dict[str, tuple[int, int]] = {}
        """Size in bytes and CRC-32 by name."""
        self._folder = folder

    @contextmanager
    def open(self, name: str) -> Generator[CheckedFile]:
        """Open a new file; when the block ends it is on the disk.

        Raises:
            OSError: If the disk is full, also where the writing library raised a RuntimeError for it.
        """
        with CheckedFile(self._folder / name) as file:
            try:
                yield file
            except RuntimeError as error:
                if file.failure is None:
                    raise
                raise file.failure from error
            file.flush()
            os.fsync(file.fileno())
        self.files[name] = file.size, file.crc


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a small file whole, in place of an older one; readers see the old or the new one.

    Raises:
        CheckpointError: If the disk is full; the older one stays.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _disk_error(path, error) from error


def write_folder(
    target: Path, marker: str, described: Mapping[str, object], fill: Callable[[FolderWriter], None]
) -> None:
    """Build a folder beside `target` and put it in the place of `target` when it is complete and on the disk.

    Args:
        target: The folder to make or replace.
        marker: Name of its JSON file that holds `described` and, as `files`, size and checksum of every file.
        described: JSON values; `schema` tells readers what this is.
        fill: Makes the files.

    Raises:
        CheckpointError: If the disk is full; an older folder stays then.
    """
    building, old = _hidden(target, "building"), _hidden(target, "old")
    try:
        settle_folder(target)
        building.mkdir(parents=True)
        writer = FolderWriter(building)
        fill(writer)
        replace_file(building / marker, json.dumps({**described, "files": writer.files}, indent=1))
        _sync(building)
        if target.exists():
            target.rename(old)
        building.rename(target)
        _sync(target.parent)
    except OSError as error:
        raise _disk_error(target, error) from error
    finally:
        settle_folder(target)


def settle_folder(target: Path) -> None:
    """Bring back what `write_folder` had set aside if it was cut off between two renames, and clear its leftovers."""
    building, old = _hidden(target, "building"), _hidden(target, "old")
    if old.exists() and not target.exists():
        old.rename(target)
    for stale in (building, old):
        shutil.rmtree(stale, ignore_errors=True)


def verify_folder(folder: Path, marker: str, schema: str) -> dict[str, object]:
    """Check every file of a folder against its marker and return what the marker says.

    Raises:
        CheckpointError: Naming the first file that is missing, damaged or foreign.
    """
    described = _read_json(folder / marker)
    if described.get("schema") != schema:
        raise CheckpointError(
            str(folder / marker),
            expected=f"schema '{schema}'",
            got=described.get("schema", "none"),
            fix="a foreign file?",
        )
    for name, expected in _manifest(described, folder / marker).items():
        size = crc = 0
        try:
            with (folder / name).open("rb") as file:
                while block := file.read(1 << 20):
                    size, crc = size + len(block), zlib.crc32(block, crc)
        except OSError as error:
            raise CheckpointError(str(folder / name), expected=f"{expected[0]} bytes", got=error.strerror) from error
        if (size, crc) != expected:
            raise CheckpointError(
                str(folder / name),
                expected=f"{expected[0]} bytes with CRC-32 {expected[1]:08x}",
                got=f"{size} bytes with {crc:08x}",
            )
    return described


def _read_json(path: Path) -> dict[str, object]:
    try:
        value: object = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        got = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise CheckpointError(str(path), expected="the marker of a complete folder", got=got) from error
    if not isinstance(value, dict):
        raise CheckpointError(str(path), expected="a JSON object", got=type(value).__name__)
    return cast("dict[str, object]", value)


def _manifest(described: Mapping[str, object], path: Path) -> dict[str, tuple[int, int]]:
    try:
        files = cast("dict[str, tuple[int, int]]", described["files"])
        manifest = {name: (int(size), int(crc)) for name, (size, crc) in files.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(str(path), expected="sizes and checksums by file", got=str(error)) from error
    foreign = [name for name in manifest if Path(name).name != name]
    if foreign:
        raise CheckpointError(str(path), expected="plain file names", got=foreign)
    return manifest


def _hidden(target: Path, role: str) -> Path:
    return target.with_name(f".{target.name}.{role}")


def _disk_error(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        str(path),
        expected="a disk with room to write",
        got=str(error),
        fix="free some space; older files are untouched",
    )


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
