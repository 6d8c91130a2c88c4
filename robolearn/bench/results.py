"""Results of benchmarks: a JSON file that says how it was made, and a table to read."""

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.table import Table

PACKAGES = ("robolearn", "numpy", "gymnasium", "mujoco", "torch")
"""Whose versions are written beside a result."""


def write_result(name: str, result: Mapping[str, object], root: Path = Path("benchmarks")) -> Path:
    """Write `<root>/<name>.json`: `result` with the command, commit, machine and date that it came from.

    The file appears whole or not at all. A `name` with slashes makes folders.
    """
    path = root / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "name": name,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "commit": git_commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "result": result,
    }
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    partial.write_text(json.dumps(document, indent=2) + "\n")
    partial.replace(path)
    return path


def read_result(path: Path) -> dict[str, float]:
    """Return what was measured from a result file."""
    return json.loads(path.read_text())["result"]


def print_table(name: str, result: Mapping[str, object], console: Console | None = None) -> None:
    """Print every number of `result` on a line of its own; nested mappings as `outer.inner`."""
    table = Table("figure", title=f"robolearn bench {name}", title_justify="left")
    table.add_column("value", justify="right")
    for key, value in _flatten(result):
        table.add_row(key, format_value(value))
    (console or Console()).print(table)


def format_value(value: object) -> str:
    """Return a figure as a reader wants it: four significant digits, and a dash for what was not measured.

    >>> [format_value(v) for v in (612.3456, 0.0123456, 1234567.8, 3, None, True, [1.0, 2.5])]
    ['612.3', '0.01235', '1234568', '3', '-', 'True', '1, 2.5']
    """
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1e4 else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(format_value(item) for item in value)
    return str(value)


def machine() -> dict[str, object]:
    """Return what a timing depends on: processor, usable cores, system, Python and package versions."""
    versions: dict[str, str] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def git_commit() -> str | None:
    """Return the commit of this checkout, with `+changes` if tracked files other than results differ.

    None outside of git.
    """
    folder = Path(__file__).parent
    head = _git(folder, "rev-parse", "HEAD")
    if head is None:
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ":(top)", ":(top,exclude)benchmarks")
    return f"{head}+changes" if changes else head


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _flatten(result: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in result.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
