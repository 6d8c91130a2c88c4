"""Training: in one process, or with actors elsewhere."""

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from robolearn import checkpoint, config
from robolearn.assembly.demos import load_demos
from robolearn.assembly.parts import closing_all, make_agent
from robolearn.core.errors import ConfigError
from robolearn.core.memory import keep_freed_memory
from robolearn.core.mirror import Mirror
from robolearn.core.protocols import Agent
from robolearn.core.rng import spawn, train_seed
from robolearn.core.specs import ArraySpec, EnvSpec
from robolearn.core.types import INTENDED, Mode
from robolearn.envs.dress import make_env, make_vector_env
from robolearn.log.info import run_info
from robolearn.log.sinks import JsonlSink, TensorBoardSink
from robolearn.replay import Replay
from robolearn.run.config import LearnerConfig, TrainConfig
from robolearn.run.directory import RunDirectory, write_json
from robolearn.run.finish import finish
from robolearn.run.inbox import ACTORS, COLUMNS, Inbox, complete_mirror
from robolearn.run.rollout import Collector, Rollout, VectorEnv
from robolearn.run.train import MIRRORED_STREAMS, Trainer, TrainParts

ConfigT = TypeVar("ConfigT", bound=TrainConfig)
logger = logging.getLogger(__name__)


def train(cfg: TrainConfig, show: Callable[[Mapping[str, object]], None] = lambda _: None) -> dict[str, Any]:
    """Train as `cfg` says, evaluate, and leave a complete run directory; return the content of result.json."""
    with closing_all() as closing:
        trainer = make_trainer(cfg, show, closing)
        stopped = trainer.train()
        film_env = closing(make_env(trainer.cfg.env, render_mode="rgb_array"))
        names = config.choices(trainer.cfg)
        result = finish(trainer, stopped, film_env, names)
    return result | {"run": str(trainer.run_dir.path)}


def make_trainer(
    cfg: TrainConfig, show: Callable[[Mapping[str, object]], None], closing: Callable[[Any], Any]
) -> Trainer:
    """Build a fresh run in a new directory, or the one that `cfg.resume` names, ready to `train`.

    Args:
        cfg: For a resumed run, its own config, as `resumed_config` returns it. A `LearnerConfig` collects from actors.
        show: Takes live figures.
        closing: Registers what must be closed after the run.

    Raises:
        ConfigError: If the configuration does not fit together.
        CheckpointError: If the run to resume is damaged.
    """
    import torch

    torch.set_num_threads(cfg.threads)
    keep_freed_memory()
    run = _fresh_directory(cfg) if cfg.resume is None else RunDirectory.existing(Path(cfg.resume))
    state = checkpoint.load(run.checkpoints) if any(run.checkpoints.glob("*/DONE")) else None
    check_envs = closing(make_vector_env(cfg.env, cfg.evaluation.envs, processes=False))
    spec: EnvSpec = check_envs.call("env_spec")[0]
    extra = {INTENDED: ArraySpec(shape=(spec.action.size,), dtype="float32")}
    if isinstance(cfg, LearnerConfig):
        extra |= COLUMNS
    if state is None:
        shutil.rmtree(run.replay, ignore_errors=True)
        (run.path / ACTORS).unlink(missing_ok=True)
        replay = closing(Replay(spec, cfg.capacity, extra=extra, directory=run.replay))
    else:
        replay = closing(Replay.open(run.replay, spec, cfg.capacity, extra=extra))
    agent, mirror = make_agent(cfg.agent, spec, cfg.seed), make_mirror(cfg, spec)
    parts = TrainParts(
        agent=agent,
        spec=spec,
        collector=_collector(cfg, agent, spec, replay, mirror, run, closing),
        check_envs=check_envs,
        demos=lambda: load_demos(cfg, spec, run),
        replay=replay,
        mirror=mirror,
        config_yaml=run.config.read_text(),
    )
    metrics = JsonlSink(run.metrics)
    trainer = Trainer(cfg, parts, run, [closing(metrics), closing(TensorBoardSink(run.tensorboard))], show)
    if state is not None:
        trainer.restore(state, cfg.resume_mode)
        if cfg.resume_mode == "exact":
            metrics.truncate_to(trainer.logged)
    return trainer


def _collector(
    cfg: TrainConfig,
    agent: Agent[Any],
    spec: EnvSpec,
    replay: Replay,
    mirror: Mirror | None,
    run: RunDirectory,
    closing: Callable[[Any], Any],
) -> Collector:
    if isinstance(cfg, LearnerConfig):
        if mirror is not None:
            complete_mirror(replay, mirror, MIRRORED_STREAMS)
        return closing(Inbox(cfg.listen, run.config.read_text(), spec, replay, agent.policy_state, run.path / ACTORS))
    envs = closing(make_vector_env(cfg.env, cfg.envs, processes=cfg.processes))
    return exploring(envs, agent, cfg.seed)


def exploring(envs: VectorEnv, agent: Agent[Any], seed: int) -> Rollout:
    """Return what steps training envs, on seeds that follow from that of the run."""

    def seed_of(row: int, episode: int) -> int:
        return train_seed(seed, row, episode)

    return Rollout(envs, agent, mode=Mode.EXPLORE, rng=spawn(seed, 2), seed_of=seed_of)


def make_mirror(cfg: TrainConfig, spec: EnvSpec) -> Mirror | None:
    """Return what gives the mirror image of episodes; None where there is to be none, or none is known."""
    if not (cfg.mirror and cfg.env.symmetric):
        return None
    try:
        return Mirror(spec)
    except ConfigError as error:
        logger.info("learning without mirror images: %s", error)
        return None


def resumed_config(cfg: ConfigT, overrides: Sequence[str]) -> ConfigT:
    """Return the config of the run that `cfg.resume` names, with the command line's `overrides` on top."""
    if cfg.resume is None:
        return cfg
    run = RunDirectory.existing(Path(cfg.resume))
    return config.load(run.config, type(cfg), overrides)


def trained_config(run: RunDirectory, change: Sequence[str] = ()) -> TrainConfig:
    """Return the config of a run, be it of a learner or of training in one process, with the keys of `change` otherwise."""
    return config.load(run.config, LearnerConfig if "listen" in config.keys(run.config) else TrainConfig, change)


def _fresh_directory(cfg: TrainConfig) -> RunDirectory:
    names = config.choices(cfg)
    run = RunDirectory.create(Path(cfg.root), cfg.name or f"{names['env']}_{names['agent']}_{cfg.seed}")
    config.save(cfg, run.config)
    write_json(run.info, run_info())
    logger.info("run directory: %s", run.path)
    return run
