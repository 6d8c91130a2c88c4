"""A trained policy on a robot."""

from collections.abc import Callable
from pathlib import Path

import gymnasium as gym

from robolearn import checkpoint, config
from robolearn.assembly.parts import closing_all, make_agent
from robolearn.core.clock import WallClock
from robolearn.core.types import Action, Obs
from robolearn.envs.config import TaskConfig
from robolearn.envs.remote import remote_env
from robolearn.hardware.bridge.client import BridgeClient, RemoteRobot, RemoteScene
from robolearn.hardware.cameras.client import RemoteCamera
from robolearn.hardware.config import DeployConfig
from robolearn.run.config import TrainConfig
from robolearn.run.deploy import deploy
from robolearn.run.directory import RunDirectory
from robolearn.run.rollout import EpisodeEnd


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
