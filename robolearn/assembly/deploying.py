"""A trained policy on a robot."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from robolearn import checkpoint
from robolearn.assembly.parts import closing_all, make_agent, make_remote_env, with_human
from robolearn.assembly.training import trained_config
from robolearn.core.memory import keep_freed_memory, spare_what_stays
from robolearn.core.specs import EnvSpec
from robolearn.data.writer import DemoWriter
from robolearn.hardware.bridge.client import BridgeClient
from robolearn.hardware.config import DeployConfig
from robolearn.run.config import TrainConfig
from robolearn.run.deploy import Rows, deploy
from robolearn.run.directory import RunDirectory
from robolearn.run.rollout import EpisodeEnd


def deploy_run(cfg: DeployConfig, on_episode: Callable[[EpisodeEnd], None]) -> dict[str, float]:
    """Run the policy of a run on the robot behind a bridge, and record what it does; return success and timing.

    Raises:
        ConfigError: If there is no such run, or no device by which a person could take over.
        CheckpointError: If its policy is damaged.
        SpecError: If the robot does not observe or act as the policy was trained to.
        CommandTimeoutError: If no robot server answers.
        DataError: If the file for the episodes exists, or cannot be written.
    """
    import torch

    torch.set_num_threads(cfg.threads)
    keep_freed_memory()
    run = RunDirectory.existing(Path(cfg.run))
    trained = trained_config(run)
    bundle = checkpoint.load_bundle(run.policy)
    with closing_all() as closing:
        client = closing(BridgeClient(cfg.client))
        env = closing(make_remote_env(trained.env, client, cfg.pause_s))
        env = with_human(env, cfg.human, closing)
        bundle.spec.require_same(env.get_wrapper_attr("env_spec"), f"policy of {run.path}")
        agent = make_agent(trained.agent, bundle.spec, trained.seed)
        agent.load_policy_state(bundle.state)
        seeds = range(cfg.first_seed, cfg.first_seed + cfg.episodes)
        with _recorder(cfg, bundle.spec, trained) as record:

            def take(end: EpisodeEnd, rows: Rows) -> None:
                record(rows)
                on_episode(end)

            spare_what_stays()
            return deploy(agent, env, seeds, take, cfg.minutes)


@contextmanager
def _recorder(cfg: DeployConfig, spec: EnvSpec, trained: TrainConfig) -> Iterator[Callable[[Rows], None]]:
    """Yield what records episodes, if they are to be."""
    if not cfg.out:
        yield lambda _: None
        return
    with DemoWriter(Path(cfg.out), spec, env=asdict(trained.env)) as writer:
        yield writer.add
