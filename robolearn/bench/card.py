"""Task cards: what a task is, how well its expert and plain cloning do, and what it looks like, on one page."""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from robolearn.bench.results import read_result
from robolearn.bench.tasks import reset_ranges, run_expert, task_name
from robolearn.core.errors import ConfigError
from robolearn.core.rng import EVAL_SEEDS, spawn
from robolearn.core.specs import EnvSpec
from robolearn.core.types import Obs
from robolearn.envs.build import build_env, make_expert
from robolearn.envs.config import EnvConfig, TaskConfig
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.tasks.base import SimTask

FRAME = 120
"""Pixels a side of each picture, whatever the task's cameras have."""
RESETS, MOMENTS = 16, 8
"""How many starts, and how many moments of an expert's episode, a sheet shows."""
GAP = 4
Pixels = NDArray[Any]


def task_card(cfg: EnvConfig, episodes: int, results: Path) -> str:
    """Return a task as Markdown: spaces and rate; of ours, reward, reset ranges, expert, and what has been learned on it.

    Args:
        cfg: Selects and sets the task.
        episodes: Of the scripted expert.
        results: Folder of committed benchmark results.
    """
    if not isinstance(cfg, TaskConfig):
        return _simulation_card(cfg)
    env = build_env(cfg)
    spec, task = env.env_spec, env.task
    env.close()
    assert isinstance(task, SimTask)
    expert = run_expert(cfg, episodes)
    name = task_name(type(cfg))
    lines = [
        f"## {name}",
        "",
        f"{inspect.getdoc(type(cfg))} {inspect.getdoc(type(task))}",
        "",
        "| | |",
        "|---|---|",
        *_facts(spec, cfg, task),
        f"| expert | {expert['expert']:.1%} of {episodes} held-out episodes (95 %: {expert['wilson_low']:.1%} to "
        f"{expert['wilson_high']:.1%}), median {expert['steps']:g} steps |",
        "",
        *_learned(name, results),
    ]
    return "\n".join(lines)


def task_sheet(cfg: EnvConfig, out: Path) -> Path:
    """Write a PNG: starts of 16 episodes from each camera, then, of our tasks, one episode of the expert from left to right.

    Raises:
        ConfigError: If the task observes no pictures.
    """
    env = build_env(replace(cfg, image_size=FRAME))
    keys = env.env_spec.pixel_keys
    if not keys:
        raise ConfigError("robolearn show", expected="a task with pictures", got=f"observation={cfg.observation}")
    starts = [env.reset(seed=EVAL_SEEDS[i])[0] for i in range(RESETS)]
    rows = [_row(start[key] for start in starts[i : i + MOMENTS]) for key in keys for i in range(0, RESETS, MOMENTS)]
    if isinstance(env, RobotEnv):
        episode = _expert_episode(env)
        moments = [episode[i] for i in np.linspace(0, len(episode) - 1, MOMENTS).round().astype(int)]
        rows += [_row(moment[key] for moment in moments) for key in keys]
    env.close()
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(out, optimize=True)
    return out


def _simulation_card(cfg: EnvConfig) -> str:
    env = build_env(cfg)
    env.close()
    name = getattr(cfg, "task", "") or getattr(cfg, "id", "")
    lines = [f"## {name}", "", str(inspect.getdoc(type(cfg))), "", "| | |", "|---|---|", *_spaces(env.env_spec), ""]
    return "\n".join(lines)


def _facts(spec: EnvSpec, cfg: TaskConfig, task: SimTask) -> Iterable[str]:
    yield f"| arms | {', '.join(f'{name} ({arm.spec.name})' for name, arm in task.arms.items())} |"
    yield from _spaces(spec)
    terms = ", ".join(f"{weight:g} {name}" for name, weight in task.weights.items())
    yield f"| reward | sparse: 1 at success; `reward=dense` adds {terms} |"
    ranges = ", ".join(f"`{name}` {_short(value)}" for name, value in reset_ranges(cfg).items())
    yield f"| ranges and tolerances | {ranges} |"


def _spaces(spec: EnvSpec) -> Iterable[str]:
    yield f"| action | {spec.action.size} values: {spec.action.describe()} |"
    yield f"| observation | {', '.join(f'`{key}` {array.shape}' for key, array in spec.obs.items())} |"
    yield f"| rate | {spec.rate_hz:g} Hz, at most {spec.max_steps} steps |"


def _learned(name: str, results: Path) -> Iterable[str]:
    """Yield a table of what `robolearn bench learn` has measured on the task."""
    found: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for path in sorted(results.glob("learn/*/[0-9]*.json")):
        result: Mapping[str, Any] = read_result(path)
        if result["env"] == name:
            found.setdefault((path.parent.name, int(result["demos"])), []).append(result)
    if not found:
        return
    yield "| `bench learn` | demonstrations | cloning alone | success | training |"
    yield "|---|---|---|---|---|"
    for (setting, demos), seeds in found.items():
        cells = [" / ".join(_figure(key, seed) for seed in seeds) for key in ("bc_success", "success", "train_s")]
        yield f"| {setting} | {demos} | {' | '.join(cells)} |"
    yield ""


def _figure(key: str, result: Mapping[str, Any]) -> str:
    if key not in result:
        return "-"
    return f"{result[key]:.0f} s" if key.endswith("_s") else f"{result[key]:.0%}"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _expert_episode(env: RobotEnv) -> list[Obs]:
    obs, _ = env.reset(seed=EVAL_SEEDS[0])
    expert, ended, episode = make_expert(env, spawn(0)), False, [obs]
    while not ended:
        obs, _, terminated, truncated, _ = env.step(expert.act())
        episode.append(obs)
        ended = terminated or truncated
    return episode


def _row(frames: Iterable[Pixels]) -> Pixels:
    padded = [np.pad(frame, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for frame in frames]
    return np.concatenate(padded, axis=1)
