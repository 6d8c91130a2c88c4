"""Measure: `robolearn bench env`, or what else `BENCHMARKS` names; the last line is one JSON object."""

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from robolearn import config
from robolearn.bench import print_table, write_result
from robolearn.bench.config import BENCHMARKS, CONFIGURABLE, BenchConfig


def main(argv: Sequence[str]) -> int:
    """Run one benchmark, print its table, and write it under `benchmarks/`."""
    words = [f"what={argv[0]}", *argv[1:]] if argv and argv[0] in BENCHMARKS else list(argv)
    cfg: BenchConfig = config.compose("bench", words)
    result = _measure(cfg)
    print_table(cfg.what, result)
    print(f"written to {write_result(cfg.what, result, root=Path(cfg.out))}")
    print(json.dumps(result))
    return 0


def _measure(cfg: BenchConfig) -> Mapping[str, object]:
    module = importlib.import_module(f"robolearn.bench.{cfg.what}")
    measure = getattr(module, f"bench_{cfg.what}")
    for name, draw in getattr(module, "SHEETS", {}).items():
        draw(Path(cfg.out) / name)
    return measure(cfg) if cfg.what in CONFIGURABLE else measure()
