"""Measure: `robolearn bench env|backdrop|formats|replay|sac|tasks|sb3|learn`; the last line is one JSON object."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from robolearn import config
from robolearn.bench import print_table, write_result
from robolearn.bench.config import BENCHMARKS, BenchConfig


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
    match cfg.what:
        case "env":
            from robolearn.bench.adapters import profile_sheet
            from robolearn.bench.env import bench_env

            profile_sheet(Path(cfg.out) / "profiles.png")
            return bench_env()
        case "backdrop":
            from robolearn.bench.backdrop import backdrop_sheet, bench_backdrop

            backdrop_sheet(Path(cfg.out) / "backdrops.png")
            return bench_backdrop(seconds=4.0)
        case "formats":
            from robolearn.bench.formats import bench_formats

            return bench_formats()
        case "replay":
            from robolearn.bench.replay import bench_replay

            return bench_replay()
        case "sac":
            from robolearn.bench.sac import bench_sac

            return bench_sac()
        case "tasks":
            from robolearn.bench.tasks import bench_tasks

            return bench_tasks(cfg)
        case "sb3":
            from robolearn.bench.sb3 import bench_sb3

            return bench_sb3(cfg)
        case _:
            from robolearn.bench.learn import bench_learn

            return bench_learn(cfg)
