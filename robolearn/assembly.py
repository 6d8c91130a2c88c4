"""The one file that knows every concrete class: it builds what a config describes."""

import difflib
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym

from robolearn import checkpoint, config
from robolearn.agents.config import AgentConfig
from robolearn.core.clock import WallClock
from robolearn.core.errors import ConfigError
from robolearn.core.mirror import Mirror
from robolearn.core.protocols import ActionValues, Agent
from robolearn.core.rng import spawn
from robolearn.core.specs import ArraySpec, EnvSpec
from robolearn.core.types import INTENDED, Action, Obs
from robolearn.data import DemoSource, contact_sheet, open_demos, rerender, write_demos
from robolearn.envs.build import build_env, make_expert
from robolearn.envs.config import EnvConfig, TaskConfig
from robolearn.envs.dress import make_env, make_vector_env, recall, state_of
from robolearn.envs.remote import make_twin, remote_env
from robolearn.hardware.bridge.client import BridgeClient, RemoteRobot, RemoteScene
from robolearn.hardware.bridge.server import RobotServer
from robolearn.hardware.cameras.client import RemoteCamera
from robolearn.hardware.config import DeployConfig, RobotServerConfig, TwinConfig
from robolearn.log.info import run_info
from robolearn.log.sinks import JsonlSink, TensorBoardSink
from robolearn.nn.memory import keep_freed_memory
from robolearn.replay import Replay
from robolearn.run.config import ConvertConfig, EvaluateConfig, RecordConfig, TrainConfig
from robolearn.run.deploy import deploy
from robolearn.run.demos import Episode, Nudges, check_demos, collect_demos
from robolearn.run.directory import RunDirectory, write_json
from robolearn.run.evaluate import Evaluation, evaluate
from robolearn.run.finish import film_episodes, finish
from robolearn.run.montecarlo import critic_bias
from robolearn.run.rollout import EpisodeEnd
from robolearn.run.subgoals import evaluate_subgoals
from robolearn.run.train import Trainer, TrainParts

logger = logging.getLogger(__name__)
STATES_PER_EPISODE = 5
"""That a critic is judged in."""


def make_agent(cfg: AgentConfig, spec: EnvSpec, seed: int) -> Agent[Any]:
    """Build the agent that `cfg` describes; the class of `cfg` is what selects it.

    Raises:
        ConfigError: If no agent is known for the class of `cfg`.
    """
    from robolearn.agents.sac.config import SacConfig

    match cfg:
        case SacConfig():
            from robolearn.agents.sac.agent import SacAgent  # torch loads only when an agent is built

            return SacAgent(cfg, spec, seed)
        case _:
            known = sorted({c.__name__ for c in AgentConfig.__subclasses__()})
            near = difflib.get_close_matches(type(cfg).__name__, known, n=1, cutoff=0.0)
            raise ConfigError("agent", expected=f"one of {known}", got=type(cfg).__name__, fix=f"nearest: {near}")


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
        cfg: For a resumed run, its own config, as `resumed_config` returns it.
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
    envs = closing(make_vector_env(cfg.env, cfg.envs, processes=cfg.processes))
    check_envs = closing(make_vector_env(cfg.env, cfg.evaluation.envs, processes=False))
    spec: EnvSpec = check_envs.call("env_spec")[0]
    intended = {INTENDED: ArraySpec(shape=(spec.action.size,), dtype="float32")}
    if state is None:
        shutil.rmtree(run.replay, ignore_errors=True)
        replay = Replay(spec, cfg.capacity, extra=intended, directory=run.replay)
    else:
        replay = Replay.open(run.replay, spec, cfg.capacity, extra=intended)
    parts = TrainParts(
        agent=make_agent(cfg.agent, spec, cfg.seed),
        spec=spec,
        envs=envs,
        check_envs=check_envs,
        demos=lambda: load_demos(cfg, spec, run),
        replay=closing(replay),
        mirror=make_mirror(cfg, spec),
        config_yaml=run.config.read_text(),
    )
    metrics = JsonlSink(run.metrics)
    trainer = Trainer(cfg, parts, run, [closing(metrics), closing(TensorBoardSink(run.tensorboard))], show)
    if state is not None:
        trainer.restore(state, cfg.resume_mode)
        if cfg.resume_mode == "exact":
            metrics.truncate_to(trainer.logged)
    return trainer


def make_mirror(cfg: TrainConfig, spec: EnvSpec) -> Mirror | None:
    """Return what gives the mirror image of episodes; None where there is to be none, or none is known."""
    if not (cfg.mirror and cfg.env.symmetric):
        return None
    try:
        return Mirror(spec)
    except ConfigError as error:
        logger.info("learning without mirror images: %s", error)
        return None


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


def evaluate_run(cfg: EvaluateConfig, on_episode: Callable[[EpisodeEnd], None] | None = None) -> Evaluation:
    """Evaluate the policy of a run greedily on held-out seeds, and film some episodes.

    Raises:
        ConfigError: If there is no such run.
        CheckpointError: If its policy is damaged or was trained for another env spec.
    """
    import torch

    torch.set_num_threads(cfg.threads)
    run = RunDirectory.existing(Path(cfg.run))
    trained = config.load(run.config, TrainConfig, cfg.change)
    bundle = checkpoint.load_bundle(run.policy)
    with closing_all() as closing:
        envs = closing(make_vector_env(trained.env, cfg.envs, processes=False))
        bundle.spec.require_same(envs.call("env_spec")[0], f"policy of {run.path}")
        agent = make_agent(trained.agent, bundle.spec, trained.seed)
        agent.load_policy_state(bundle.state)
        evaluation = evaluate(agent, envs, range(cfg.first_seed, cfg.first_seed + cfg.episodes), on_episode)
        film_episodes(agent, closing(make_env(trained.env, render_mode="rgb_array")), run, cfg.videos)
    return evaluation


def subgoals_of_run(cfg: EvaluateConfig, on_episode: Callable[[], None] = lambda: None) -> dict[str, float]:
    """Evaluate the policy of a run on a long task, subgoal by subgoal; see `evaluate_subgoals`.

    Raises:
        ConfigError: If there is no such run, or nobody has written an expert for its task.
        SpecError: If its task has no subgoals.
    """
    run = RunDirectory.existing(Path(cfg.run))
    trained = config.load(run.config, TrainConfig, cfg.change)
    bundle = checkpoint.load_bundle(run.policy)
    env = make_env(trained.env)
    try:
        agent = make_agent(trained.agent, bundle.spec, trained.seed)
        agent.load_policy_state(bundle.state)
        expert, seeds = partial(make_expert, env), range(cfg.first_seed, cfg.first_seed + cfg.episodes)
        report = evaluate_subgoals(
            env, agent, expert, seeds, steps=cfg.subgoal_steps, rng=spawn(0), on_episode=on_episode
        )
        return report.summary()
    finally:
        env.close()


def critic_of_run(cfg: EvaluateConfig, on_state: Callable[[], None] = lambda: None) -> dict[str, float]:
    """Hold the critics of a run's last checkpoint against what follows the actions of its policy there.

    Raises:
        ConfigError: If there is no such run, or its agent has no critics.
        CheckpointError: If it has no checkpoint, or a damaged one.
    """
    run = RunDirectory.existing(Path(cfg.run))
    trained = config.load(run.config, TrainConfig, cfg.change)
    state = checkpoint.load(run.checkpoints)
    env = make_env(trained.env)
    try:
        agent = make_agent(trained.agent, env.get_wrapper_attr("env_spec"), trained.seed)
        if not isinstance(agent, ActionValues):
            raise ConfigError("critic_states", expected="0 for an agent without critics", got=cfg.critic_states)
        agent.load_state_dict(state["agent"])
        seeds = range(cfg.first_seed, cfg.first_seed + -(-cfg.critic_states // STATES_PER_EPISODE))
        return critic_bias(env, agent, agent, seeds, spawn(0), per_episode=STATES_PER_EPISODE, on_state=on_state)
    finally:
        env.close()


def make_robot_server(cfg: RobotServerConfig) -> RobotServer:
    """Build the server of the robot that `cfg` describes.

    Raises:
        ConfigError: If nothing is known for the class of `cfg.robot`, or an address cannot be bound to.
    """
    match cfg.robot:
        case TwinConfig():
            twin = make_twin(cfg.env, cfg.robot.camera_hz)
            return RobotServer(twin.arms, twin.clock, cfg.server, twin.scene, twin.cameras)
        case _:
            raise ConfigError("robot", expected="twin", got=type(cfg.robot).__name__)


def deploy_run(cfg: DeployConfig, on_episode: Callable[[EpisodeEnd], None] | None = None) -> dict[str, float]:
    """Run the policy of a run on the robot behind a bridge; return success and timing.

    Raises:
        ConfigError: If there is no such run.
        CheckpointError: If its policy is damaged.
        SpecError: If the robot does not observe or act as the policy was trained to.
        CommandTimeoutError: If no robot server answers.
    """
    import torch

    torch.set_num_threads(cfg.threads)
    run = RunDirectory.existing(Path(cfg.run))
    trained = config.load(run.config, TrainConfig)
    bundle = checkpoint.load_bundle(run.policy)
    with closing_all() as closing:
        client = closing(BridgeClient(cfg.client))
        env = closing(make_remote_env(trained.env, client))
        bundle.spec.require_same(env.get_wrapper_attr("env_spec"), f"policy of {run.path}")
        agent = make_agent(trained.agent, bundle.spec, trained.seed)
        agent.load_policy_state(bundle.state)
        seeds = range(cfg.first_seed, cfg.first_seed + cfg.episodes)
        return deploy(agent, env, seeds, on_episode)


def make_remote_env(cfg: TaskConfig, client: BridgeClient) -> gym.Env[Obs, Action]:
    """Build the env of a task over the arms and cameras behind a bridge, with the wrappers that the task has in simulation.

    Raises:
        ConfigError: If the server lacks a camera, or is no twin.
    """
    cameras = {name: RemoteCamera.of(client, name) for name in (() if cfg.observation == "state" else cfg.cameras)}
    return remote_env(
        cfg,
        {name: RemoteRobot(client, name) for name in client.welcome.arms},
        cameras,
        RemoteScene(client),
        WallClock(1.0 / cfg.rate_hz),
    )


def resumed_config(cfg: TrainConfig, overrides: Sequence[str]) -> TrainConfig:
    """Return the config of the run that `cfg.resume` names, with the command line's `overrides` on top."""
    if cfg.resume is None:
        return cfg
    run = RunDirectory.existing(Path(cfg.resume))
    return config.load(run.config, TrainConfig, overrides)


def _fresh_directory(cfg: TrainConfig) -> RunDirectory:
    names = config.choices(cfg)
    run = RunDirectory.create(Path(cfg.root), cfg.name or f"{names['env']}_{names['agent']}_{cfg.seed}")
    config.save(cfg, run.config)
    write_json(run.info, run_info())
    logger.info("run directory: %s", run.path)
    return run


@contextmanager
def closing_all() -> Iterator[Callable[[Any], Any]]:
    """Give a function that registers things with `close` and returns them; all are closed at the end, newest first."""
    with ExitStack() as stack:

        def closing(thing: Any) -> Any:  # noqa: ANN401  (whatever has `close`)
            stack.callback(thing.close)
            return thing

        yield closing
