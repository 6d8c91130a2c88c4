"""The task suite for others: Stable-Baselines3's SAC, from state, on three tasks, with dense and with sparse reward."""

from collections.abc import Mapping
from pathlib import Path

from robolearn.bench import read_result, write_result
from robolearn.bench.config import BenchConfig
from robolearn.bench.peers import run_peer
from robolearn.core.errors import ConfigError, nearest
from robolearn.core.rng import EVAL_SEEDS
from robolearn.envs.config import REWARDS
from robolearn.log.stats import wilson

TASKS = {"reach": "Reach", "drawer": "Drawer", "pick_cube": "PickCube"}
"""Task -> the middle of its Gymnasium id."""
STEPS = 10_000
"""More than our own runs on drawer and pick-cube need, from images and a sparse reward."""
CHECKS = 5
EPISODES = 100


def bench_sb3(cfg: BenchConfig, *, steps: int = STEPS, episodes: int = EPISODES) -> dict[str, object]:
    """Train it on every wanted task and seed, with both rewards, and write one JSON each.

    Returns:
        By `task/reward/seed`, of all on disk: `success` (of the final `episodes`), `wilson_low`, `wilson_high`, `env_steps`,
        `updates` and `curve` ([env steps, success] at `CHECKS` moments).
    """
    root = Path(cfg.out)
    task, _, seed = (cfg.only or "").partition("/")
    if task and task not in TASKS:
        raise ConfigError("bench sb3", expected="a known task", got=task, fix=nearest(task, TASKS))
    for name in [task] if task else TASKS:
        for number in [int(seed)] if seed else range(cfg.seeds):
            for reward in REWARDS:
                result = train_sb3(name, reward, number, steps, episodes)
                if result is not None:
                    write_result(f"sb3/{name}/{reward}/{number}", result, root=root)
    found = sorted((root / "sb3").glob("*/*/*.json"))
    return {path.relative_to(root / "sb3").with_suffix("").as_posix(): read_result(path) for path in found}


def train_sb3(task: str, reward: str, seed: int, steps: int, episodes: int) -> Mapping[str, object] | None:
    """Return what one run showed, or None where Stable-Baselines3 is not installed."""
    figures = run_peer(
        "sb3_train",
        timeout_s=3600.0,
        threads=1,  # networks this small gain nothing from a second
        env=f"robolearn.envs:robolearn/{TASKS[task]}-v0",
        kwargs={"observation": "state", "reward": reward},
        steps=steps,
        checks=CHECKS,
        episodes=episodes,
        first_seed=EVAL_SEEDS.start,
        seed=seed,
    )
    if figures is None:
        return None
    curve: list[tuple[int, int]] = figures["curve"]
    low, high = wilson(curve[-1][1], episodes)
    return {
        "success": curve[-1][1] / episodes,
        "wilson_low": low,
        "wilson_high": high,
        "episodes": episodes,
        "env_steps": figures["steps"],
        "updates": figures["updates"],
        "curve": [[env_steps, wins / episodes] for env_steps, wins in curve],
    }
