"""Metric sinks: callables that take rows of (step, name, value) and write them down."""

import importlib.util
import itertools
import json
import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import SupportsFloat

from robolearn.core.errors import DataError

Metric = tuple[int, str, SupportsFloat]
"""Env steps so far, `area/name_unit`, value; a 0-dim tensor is a value too."""
Sink = Callable[[Sequence[Metric]], None]

logger = logging.getLogger(__name__)


class JsonlSink:
    """Appends one JSON object a step and call: `{"step": 40, "time_s": 1.5, "train/critic_loss": 0.2}`.

    Every line is one write to the system, so that `kill -9` costs at most the line being written. Infinite and undefined
    values become null. A torn last line of an earlier process is removed when the file is opened.

    Args:
        path: `metrics.jsonl`; made if it is missing, continued if it is there.

    Raises:
        DataError: If the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("r+b" if self.path.exists() else "w+b", buffering=0)
        except OSError as error:
            raise _write_error(self.path, error) from error
        self._cut(lambda line: line.endswith(b"\n"))

    def __call__(self, metrics: Sequence[Metric]) -> None:
        """Write the rows down.

        Raises:
            DataError: If the disk is full; no half line stays.
        """
        rows: dict[int, dict[str, float | None]] = {}
        for step, name, value in metrics:
            number = float(value)
            rows.setdefault(step, {})[name] = number if math.isfinite(number) else None
        for step, values in rows.items():
            self._append(json.dumps({"step": step, **values}).encode() + b"\n")

    def truncate_to(self, rows: int) -> None:
        """Keep the first `rows` rows: a run that was rolled back writes the others again."""
        numbers = itertools.count()
        self._cut(lambda _: next(numbers) < rows)

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()

    def _append(self, line: bytes) -> None:
        start = self._file.tell()
        try:
            written = self._file.write(line)
            if written != len(line):
                self._file.write(line[written:])
        except OSError as error:
            self._file.truncate(start)
            self._file.seek(start)
            raise _write_error(self.path, error) from error

    def _cut(self, keep: Callable[[bytes], bool]) -> None:
        """Keep the lines up to the first that `keep` rejects."""
        self._file.seek(0)
        lines = self._file.readall().splitlines(keepends=True)
        end = sum(len(line) for line in itertools.takewhile(keep, lines))
        self._file.truncate(end)
        self._file.seek(end)


class TensorBoardSink:
    """Writes scalars as TensorBoard event files; does nothing where TensorBoard is not installed."""

    def __init__(self, directory: Path) -> None:
        self._writer = None
        if importlib.util.find_spec("tensorboard") is None:
            logger.info("tensorboard is not installed: no event files")
            return
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        directory.mkdir(parents=True, exist_ok=True)
        self._writer = EventFileWriter(os.fspath(directory))

    def __call__(self, metrics: Sequence[Metric]) -> None:
        """Write the rows down."""
        if self._writer is None:
            return
        # classes made at run time, which a type checker cannot see
        from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]

        now = time.time()
        for step, name, value in metrics:
            summary = Summary(value=[Summary.Value(tag=name, simple_value=float(value))])
            self._writer.add_event(Event(wall_time=now, step=step, summary=summary))

    def close(self) -> None:
        """Flush and close; may be called twice."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Return the rows of a `metrics.jsonl`; a torn last line is left out, null is read as NaN.

    Raises:
        DataError: If the file is missing, or a line before the last is not a row.
    """
    path = Path(path)
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise DataError(str(path), expected="a metrics file", got=error.strerror) from error
    rows: list[dict[str, float]] = []
    for number, line in enumerate(lines, start=1):
        row = _parse(line)
        if row is None:
            if number == len(lines):
                break
            raise DataError(f"{path}, line {number}", expected="a JSON object with a step", got=line[:60])
        rows.append(row)
    return rows


def _parse(line: bytes) -> dict[str, float] | None:
    """Return the row of a whole line, None if it is torn or no row."""
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or not isinstance(row.get("step"), int):
        return None
    return {key: math.nan if value is None else value for key, value in row.items()}


def _write_error(path: Path, error: OSError) -> DataError:
    return DataError(str(path), expected="a folder with room to write", got=str(error), fix="free some space")
