"""What a run directory holds, read for its report."""

import json
from dataclasses import dataclass
from pathlib import Path

from robolearn.core.errors import DataError
from robolearn.log.sinks import read_metrics


@dataclass(kw_only=True, slots=True)
class RunRecord:
    """What a run directory holds; parts that are missing are empty."""

    path: Path
    rows: list[dict[str, float]]
    result: dict[str, object]
    info: dict[str, object]
    config: str

    def number(self, key: str) -> float | None:
        """Return a number of the result; None if it is not there."""
        value = self.result.get(key)
        return float(value) if isinstance(value, int | float) else None

    def having(self, name: str) -> list[dict[str, float]]:
        """Return the rows that hold a metric."""
        return [row for row in self.rows if name in row]


def read_run(run_dir: Path) -> RunRecord:
    """Read what is there of config.yaml, metrics.jsonl, result.json and info.json.

    Raises:
        DataError: If there is no such directory, or a file in it is damaged.
    """
    if not run_dir.is_dir():
        raise DataError(str(run_dir), expected="a run directory", got="no such folder")
    metrics, config = run_dir / "metrics.jsonl", run_dir / "config.yaml"
    rows = read_metrics(metrics) if metrics.exists() else []
    # a run that has not ended has no result yet, but its baseline may be known
    baseline = {name.replace("/", "_"): value for row in rows for name, value in row.items() if name.startswith("bc/")}
    return RunRecord(
        path=run_dir,
        rows=rows,
        result=baseline | _read_json(run_dir / "result.json"),
        info=_read_json(run_dir / "info.json"),
        config=config.read_text() if config.exists() else "",
    )


def _read_json(path: Path) -> dict[str, object]:
    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(str(path), expected="a JSON object", got=str(error)) from error
    if not isinstance(value, dict):
        raise DataError(str(path), expected="a JSON object", got=type(value).__name__)
    return value
