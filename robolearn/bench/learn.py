"""The learning benchmark: whole training runs, each in a process of its own, with the cloning baseline beside them.

Training time is demonstrations + cloning + RL up to the stop; imports, checks and evaluations are not in it. One small
JSON per seed is written as soon as it is done, so that a campaign can go on another day.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from robolearn.bench import read_result, write_result
from robolearn.bench.config import BenchConfig
from robolearn.bench.figure import write_learning_figure
from robolearn.bench.published import DRQV2
from robolearn.core.errors import ConfigError, RobolearnError, nearest
from robolearn.log.stats import wilson


@dataclass(frozen=True, slots=True)
class Setting:
    """A task and a recipe, as overrides of `robolearn train`."""

    overrides: tuple[str, ...]
    target_s: float
    """Training time that the median run should not exceed."""
    seeds: int


def _suite(env: str, target_s: float, *overrides: str) -> Setting:
    return Setting((f"env={env}", "experiment=suite", *overrides), target_s, 3)


STROKE = (
    "env.frame=tool",
    "demos.count=60",
    "agent.bc.updates=2500",
    "agent.encoder.refresh_updates=600",
    "agent.actor.log_std_start=-3",
    "agent.actor.log_std_max=-2",
    "max_env_steps=8000",
)
"""Where 20 steps do it, most of them one stroke that cannot be taken back: more demonstrations, more cloning, less noise, and an end
where reinforcement has not been seen to add anything."""
SETTINGS = {
    "easy": Setting(("env=pick_cube", "env.yaw=0.4", "env.action=xyz_gripper"), 60.0, 5),
    "default": Setting(("env=pick_cube",), 120.0, 5),
    "rlpd": Setting(("experiment=pick_cube_rlpd",), 180.0, 3),
    "reach": _suite("reach", 300.0, "env.frame=tool"),
    "push": _suite("push", 300.0, *STROKE),
    "slide": _suite("slide", 300.0, *STROKE),
    "place": _suite("place", 300.0),
    "drawer": Setting(("env=drawer",), 300.0, 3),
    "lever": Setting(("env=lever",), 300.0, 3),
    "stack": _suite("stack", 600.0),
    "peg_2mm": _suite("peg", 600.0, "env.frame=tool", "env.clearance=0.002"),
    "peg_1mm": _suite("peg", 900.0, "env.frame=tool", "env.clearance=0.001"),
    "lift": Setting(("env=lift", "experiment=two_arms"), 1200.0, 3),
    "handover": Setting(("env=handover", "experiment=two_arms"), 1200.0, 3),
    "robosuite_lift": Setting(("env=robosuite/lift", "demos.count=20"), 1200.0, 1),
    "cartpole_swingup": Setting(("experiment=dm_control", "env.task=cartpole-swingup"), 3600.0, 1),
    "reacher_easy": Setting(("experiment=dm_control", "env.task=reacher-easy"), 3600.0, 1),
}
"""`easy` and `default`: pick-cube from 5 demonstrations; `rlpd`: 20 demonstrations, no cloning phase, encoder trained end to
end. Then the task suite: 5 demonstrations where cloning nearly does (drawer, lever), else 20. Then other people's: robosuite's
Lift with pick-cube's recipe, and two tasks of dm_control from pixels and dense rewards alone, of which only returns are of interest."""


def bench_learn(cfg: BenchConfig) -> dict[str, object]:
    """Train every wanted seed of every wanted setting, and write one JSON per seed.

    Returns:
        Medians over all seeds on disk, by setting under `settings`; those of `default`, if any, on top; beside tasks of dm_control
        `drqv2_return_<frames>`, the published mean. `learn.svg` beside the results shows their learning curves.
    """
    for setting, seed in _wanted(cfg):
        path = Path(cfg.out) / "learn" / setting / f"{seed}.json"
        if not (cfg.missing and path.is_file()):
            write_result(f"learn/{setting}/{seed}", train_once(setting, seed), root=Path(cfg.out))
    found = {name: sorted((Path(cfg.out) / "learn" / name).glob("[0-9]*.json")) for name in SETTINGS}
    results = {name: [read_result(path) for path in paths] for name, paths in found.items() if paths}
    write_learning_figure(results, Path(cfg.out) / "learn.svg")
    summaries = {name: summarize(seeds) | _published(name) for name, seeds in results.items()}
    first = summaries["default"] if "default" in summaries else next(iter(summaries.values()))
    return {**first, "settings": summaries}


def train_once(setting: str, seed: int) -> dict[str, object]:
    """Train one seed in a fresh process and return its result.json.

    Raises:
        RobolearnError: If training fails, with the end of its output.
    """
    with tempfile.TemporaryDirectory(prefix="robolearn-bench-") as root:
        overrides = [*SETTINGS[setting].overrides, f"seed={seed}", f"root={root}", "evaluation.videos=0"]
        command = [sys.executable, "-m", "robolearn.cli.main", "train", *overrides]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RobolearnError(
                " ".join(command), expected="exit status 0", got=done.returncode, fix=done.stderr[-2000:]
            )
        result = json.loads(done.stdout.strip().splitlines()[-1])
    return {key: value for key, value in result.items() if key != "run"}


def summarize(results: Sequence[dict[str, float]]) -> dict[str, object]:
    """Return medians over seeds, and the Wilson interval of all their episodes together.

    >>> runs = [{"success": 1.0, "episodes": 100, "train_s": t, "env_steps": 9, "bc_success": 0.5} for t in (3, 1, 2)]
    >>> summary = summarize(runs)
    >>> summary["train_s"], summary["success"], round(summary["wilson_low"], 3), summary["seeds"]
    (2, 1.0, 0.987, 3)
    """
    if not results:
        return {"seeds": 0}
    episodes = sum(int(r["episodes"]) for r in results)
    low, high = wilson(round(sum(r["success"] * r["episodes"] for r in results)), episodes)
    medians = {
        key: statistics.median(float(r[key]) if key == "bc_success" else r[key] for r in results if key in r)
        for key in ("success", "return", "train_s", "env_steps", "bc_success")
        if any(key in r for r in results)
    }
    return {
        "bc_success": None,
        **medians,
        "success_min": min(r["success"] for r in results),
        "train_s_max": max(r["train_s"] for r in results),
        "wilson_low": low,
        "wilson_high": high,
        "episodes": episodes,
        "seeds": len(results),
    }


def _published(setting: str) -> dict[str, object]:
    curve = DRQV2.get(setting, {})
    return {f"drqv2_return_{frames}": statistics.fmean(returns) for frames, returns in curve.items()}


def _wanted(cfg: BenchConfig) -> Iterable[tuple[str, int]]:
    if cfg.only is not None:
        setting, _, seed = cfg.only.partition("/")
        pairs = [(setting, int(seed or 0))]
    else:
        pairs = [(name, seed) for name in cfg.settings for seed in range(cfg.seeds)]
    for setting, _ in pairs:
        if setting not in SETTINGS:
            raise ConfigError("bench learn", expected="a known setting", got=setting, fix=nearest(setting, SETTINGS))
    return pairs
