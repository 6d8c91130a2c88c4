"""What a step of other people's simulations costs when we draw it, against the same simulation as it comes."""

import statistics
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from robolearn.bench.peers import run_peer
from robolearn.bench.timing import alternate
from robolearn.core.rng import EVAL_SEEDS
from robolearn.envs.adapters.adapted import AdaptedEnv
from robolearn.envs.adapters.config import PROFILES, DmControlConfig, LibraryConfig, RobosuiteConfig
from robolearn.envs.build import build_env

SIZE = 84
BLOCK = 20
"""Steps timed at a stretch."""
ROUNDS = 3
"""How often ours and theirs are measured in turn; ratios are those of a round, and their median is reported."""
SCALE = 3
"""Enlargement of the frames on the sheet of profiles."""
CONFIGS: dict[str, LibraryConfig] = {
    "robosuite": RobosuiteConfig(max_steps=10_000),
    "dm_control": DmControlConfig(max_steps=10_000),
    "manipulation": DmControlConfig(task="manipulation-reach_site", max_steps=10_000),
}
RATIOS = {
    "robosuite_fast_vs_stock": ("robosuite", "fast"),
    "robosuite_fastest_vs_stock": ("robosuite", "fastest"),
    "dm_control_vs_stock": ("dm_control", "fast"),
    "manipulation_vs_stock": ("manipulation", "fast"),
}
_PEERS = {"robosuite": "robosuite_lift", "dm_control": "dm_control_pixels", "manipulation": "dm_control_pixels"}


def bench_adapters(seconds: float, peers: bool) -> dict[str, float | None]:
    """Measure robosuite Lift with two cameras, and dm_control walker and manipulation with one, 84 x 84, random actions.

    Returns:
        `<name>_<profile>_steps_per_s`; and against the simulation as it comes, drawn by itself (profile `stock`): `robosuite_fast_vs_stock`,
        `robosuite_fastest_vs_stock`, `dm_control_vs_stock` and `manipulation_vs_stock` (both `fast`), None where it is not installed.
    """
    result: dict[str, float | None] = {}
    turns = ROUNDS if peers else 1
    rounds = {name: [_round(name, cfg, seconds, peers) for _ in range(turns)] for name, cfg in CONFIGS.items()}
    for name, rates in rounds.items():
        result |= {
            f"{name}_{profile}_steps_per_s": statistics.median(r[profile] for r in rates) for profile in rates[0]
        }
    for key, (name, profile) in RATIOS.items():
        ratios = [r[profile] / r["stock"] for r in rounds[name] if "stock" in r]
        result[key] = statistics.median(ratios) if ratios else None
    return result


def _round(name: str, cfg: LibraryConfig, seconds: float, peers: bool) -> dict[str, float]:
    """Return steps per s by profile, measured one after the other; `stock` is not ours."""
    rates = {profile: _rate(cfg, profile, seconds) for profile in PROFILES if profile != "stock"}
    task: dict[str, Any] = {} if name == "robosuite" else {"task": cfg.task}
    peer = run_peer(_PEERS[name], size=SIZE, **task) if peers else None
    return rates if peer is None else {**rates, "stock": peer["steps_per_s"]}


def profile_sheet(out: Path) -> Path:
    """Write a PNG: a row for each simulation and camera, with one instant in every profile from left to right."""
    rows: list[NDArray[np.uint8]] = []
    for cfg in CONFIGS.values():
        frames = [_first(cfg, profile) for profile in PROFILES]
        rows += [np.concatenate([frame[key] for frame in frames], axis=1) for key in frames[0]]
    sheet = np.concatenate(rows).repeat(SCALE, axis=0).repeat(SCALE, axis=1)
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(out, optimize=True)
    return out


def _env(cfg: LibraryConfig, profile: str) -> AdaptedEnv:
    cfg.profile, cfg.image_size = profile, SIZE
    env = build_env(cfg)
    assert isinstance(env, AdaptedEnv)
    return env


def _first(cfg: LibraryConfig, profile: str) -> dict[str, NDArray[np.uint8]]:
    env = _env(cfg, profile)
    obs, _ = env.reset(seed=EVAL_SEEDS[0])
    env.close()
    return {key: obs[key].astype(np.uint8) for key in env.env_spec.pixel_keys}


def _rate(cfg: LibraryConfig, profile: str, seconds: float) -> float:
    env = _env(cfg, profile)
    env.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (BLOCK, env.env_spec.action.size)).astype(np.float32)
    times = alternate([partial(_steps, env, actions)], seconds, before=partial(env.reset, seed=0))[0]
    env.close()
    return BLOCK / statistics.median(times)


def _steps(env: AdaptedEnv, actions: NDArray[np.float32]) -> None:
    for action in actions:
        env.step(action)
