"""The run directory: where each file of a run lives."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from robolearn.core.errors import ConfigError


class RunDirectory:
    """Paths of one run: `runs/<name>/{config.yaml, metrics.jsonl, checkpoints/, policy/, videos/, report.html, ...}`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.metrics = path / "metrics.jsonl"
        self.tensorboard = path / "tensorboard"
        self.checkpoints = path / "checkpoints"
        self.replay = path / "replay"
        self.policy = path / "policy"
        self.videos = path / "videos"
        self.result = path / "result.json"
        self.info = path / "info.json"

    @classmethod
    def create(cls, root: Path, name: str) -> "RunDirectory":
        """Make `root/name`, or `root/name-2`, `-3`, ... if that is taken; nothing is ever overwritten."""
        for number in range(1, 10_000):
            path = root / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            return cls(path)
        raise ConfigError(str(root / name), expected="a free run name", got="10,000 runs of that name")

    @classmethod
    def existing(cls, path: Path) -> "RunDirectory":
        """Return the run at `path`.

        Raises:
            ConfigError: If there is none.
        """
        run = cls(path)
        if not run.config.is_file():
            have = (
                sorted(p.name for p in path.parent.iterdir() if (p / "config.yaml").is_file())
                if path.parent.is_dir()
                else []
            )
            raise ConfigError(
                f"run {path}",
                expected="a run directory with config.yaml",
                got="none",
                fix=f"runs there: {', '.join(have)}",
            )
        return run


def write_json(path: Path, values: Mapping[str, object]) -> None:
    """Write a JSON object so that a reader never sees half of it."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(json.dumps(values, indent=2) + "\n")
    os.replace(part, path)
