"""Demonstrations: recorded, read, converted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from robolearn.core.specs import EnvSpec
from robolearn.data import DemoSource, contact_sheet, open_demos, rerender, write_demos
from robolearn.envs.build import build_env, make_expert
from robolearn.envs.config import EnvConfig
from robolearn.envs.dress import make_env, recall, state_of
from robolearn.run.config import ConvertConfig, RecordConfig, TrainConfig
from robolearn.run.demos import Episode, Nudges, check_demos, collect_demos
from robolearn.run.directory import RunDirectory


def load_demos(cfg: TrainConfig, spec: EnvSpec, run: RunDirectory) -> list[Episode]:
    """Read the demonstrations that a run starts from, or record them from the expert; leave a picture of them, if they have any."""
    if cfg.demos.count == 0:
        return []
    if cfg.demos.path is not None:
        episodes = check_demos(list(open_demos(Path(cfg.demos.path), spec).episodes), cfg.demos.path, cfg.demos.count)
    else:
        episodes = record(cfg.env, cfg.demos.count, cfg.seed, cfg.demos.nudge)
    if spec.pixel_keys:
        contact_sheet(episodes, run.path / "demos.png")
    return episodes


def record(
    cfg: EnvConfig,
    count: int,
    seed: int,
    nudge: float | None,
    on_episode: Callable[[bool, int], None] | None = None,
    *,
    states: bool = False,
) -> list[Episode]:
    """Record `count` successful episodes of the task's scripted expert, nudged with a chance of `nudge` a step (None: the task's usual).

    With `states`, the states of the simulation are recorded as well, if it has any.
    """
    env = make_env(cfg)
    try:
        spec: EnvSpec = env.get_wrapper_attr("env_spec")
        chance = cfg.nudge if nudge is None else nudge
        nudges = partial(Nudges, spec.action, chance) if chance > 0.0 else None
        state = state_of(env) if states else None
        return collect_demos(env, lambda rng: make_expert(env, rng), count, seed, nudges, on_episode, state)
    finally:
        env.close()


def record_file(cfg: RecordConfig, out: Path, on_episode: Callable[[bool, int], None]) -> None:
    """Record demonstrations as `cfg` says into one new HDF5 file.

    Raises:
        DataError: If the file exists, or the expert keeps failing.
    """
    env = make_env(cfg.env)
    spec: EnvSpec = env.get_wrapper_attr("env_spec")
    env.close()
    write_demos(
        out, spec, record(cfg.env, cfg.episodes, cfg.seed, cfg.nudge, on_episode, states=True), env=asdict(cfg.env)
    )


@contextmanager
def demos_to_convert(cfg: ConvertConfig) -> Iterator[DemoSource]:
    """Open the demonstrations of `cfg.source`, with pictures as the cameras of `cfg.env` see them, if that is given."""
    if cfg.env is None:
        yield open_demos(Path(cfg.source), mask=cfg.mask)
        return
    env = build_env(cfg.env)
    try:
        yield rerender(Path(cfg.source), env.env_spec, partial(recall, env), cfg.mask)
    finally:
        env.close()
