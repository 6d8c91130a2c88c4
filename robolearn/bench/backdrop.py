"""Whether moving pictures behind a scene are exactly where nothing is drawn, and what they cost."""

import statistics
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from robolearn.bench.timing import alternate
from robolearn.core.rng import EVAL_SEEDS
from robolearn.envs.adapters.adapted import AdaptedEnv
from robolearn.envs.adapters.config import DmControlConfig
from robolearn.envs.adapters.view import FAST
from robolearn.envs.build import build_env
from robolearn.envs.config import EnvConfig
from robolearn.envs.dress import stage_of
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.render import CHEAP, Renderer
from robolearn.envs.sim.stage import Stage
from robolearn.envs.tasks.drawer import DrawerConfig
from robolearn.envs.tasks.pick_cube import PickCubeConfig
from robolearn.envs.visual.backdrop import Backdrop
from robolearn.envs.visual.config import BackdropConfig

SIZE = 84
STEPS = 20
"""Of an episode of random actions, after each of which masks are compared."""
FRAMES = 10
"""Timed at a stretch."""
SUITE = ("walker-walk", "cheetah-run", "cartpole-swingup", "reacher-easy", "hopper-hop", "finger-spin")
CONFIGS: dict[str, EnvConfig] = {
    **{task: DmControlConfig(task=task, image_size=SIZE) for task in SUITE},
    "pick_cube": PickCubeConfig(image_size=SIZE, cameras=["front"]),
    "drawer": DrawerConfig(image_size=SIZE, cameras=["front"]),
}
SOURCES = ("plasma", "blobs", "checkers", "noise")
"""Of the columns of the sheet."""


def bench_backdrop(seconds: float = 4.0) -> dict[str, float]:
    """Compare the masks of six dm_control tasks and two of ours with MuJoCo's segmentation, and time a frame with and without.

    Returns:
        `mask_<task>` and `mask_min`: share of pixels on which mask and segmentation agree; `overhead_<task>_ms` and
        `overhead_max_ms`: by how much longer an observation of one 84 x 84 frame takes.
    """
    masks: dict[str, float] = {}
    costs: dict[str, float] = {}
    for name, cfg in CONFIGS.items():
        env = build_env(cfg)
        stage, _ = stage_of(env)
        dressed = Backdrop(env, stage, BackdropConfig(source="plasma"), _no_agents)
        masks[name] = agreement(env, dressed, stage)
        costs[name] = _overhead(env, stage, seconds)
        dressed.close()
    return {
        **{f"mask_{name}": value for name, value in masks.items()},
        "mask_min": min(masks.values()),
        **{f"overhead_{name}_ms": value for name, value in costs.items()},
        "overhead_max_ms": max(costs.values()),
    }


def agreement(env: RobotEnv | AdaptedEnv, dressed: Backdrop, stage: Stage) -> float:
    """Return the share of pixels of an episode of random actions on which mask and segmentation agree."""
    dressed.reset(seed=EVAL_SEEDS[0])
    behind, shares = stage.backdrop, list[float]()
    profile = FAST if isinstance(env, AdaptedEnv) else CHEAP
    renderer = Renderer(stage, profile, SIZE, SIZE)

    def compare(camera: int, picture: NDArray[np.uint8], empty: NDArray[np.bool_]) -> NDArray[np.uint8]:
        renderer.update(stage.data, camera)
        shares.append(
            float((renderer.drawn(stage.data, camera, SIZE, SIZE) != empty).mean())
        )  # drawn is what is not empty
        return picture

    rng = np.random.default_rng(0)
    stage.backdrop = compare
    for _ in range(STEPS):
        _, _, terminated, truncated, _ = env.step(rng.uniform(-1.0, 1.0, env.env_spec.action.size).astype(np.float32))
        if terminated or truncated:
            break
    stage.backdrop = behind
    renderer.close()
    return float(np.mean(shares))


def backdrop_sheet(out: Path) -> Path:
    """Write a PNG: a row for each task, bare and in front of each procedural source."""
    rows: list[NDArray[np.uint8]] = []
    for cfg in CONFIGS.values():
        frames = [_first(cfg, source) for source in ("", *SOURCES)]
        rows.append(np.concatenate(frames, axis=1))
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows).repeat(2, axis=0).repeat(2, axis=1)).save(out, optimize=True)
    return out


SHEETS = {"backdrops.png": backdrop_sheet}


def _overhead(env: RobotEnv | AdaptedEnv, stage: Stage, seconds: float) -> float:
    """Return how much longer a frame takes with its backdrop, ms."""
    behind = stage.backdrop

    def draw(backdrop: bool) -> None:
        stage.backdrop = behind if backdrop else None
        for _ in range(FRAMES):
            env.observe()

    plain, shown = alternate([partial(draw, backdrop=False), partial(draw, backdrop=True)], seconds)
    stage.backdrop = behind
    return 1e3 * (statistics.median(shown) - statistics.median(plain)) / FRAMES


def _first(cfg: EnvConfig, source: str) -> NDArray[np.uint8]:
    env = build_env(cfg)
    stage, _ = stage_of(env)
    dressed = Backdrop(env, stage, BackdropConfig(source=source), _no_agents) if source else env
    obs, _ = dressed.reset(seed=EVAL_SEEDS[0])
    dressed.close()
    return obs[env.env_spec.pixel_keys[0]].astype(np.uint8)


def _no_agents(seed: int) -> NoReturn:
    raise AssertionError(f"no source here is made of episodes, yet one of seed {seed} is asked for")
