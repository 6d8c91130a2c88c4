"""Acting for a learner elsewhere."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from robolearn import config
from robolearn.assembly.config import ActorConfig
from robolearn.assembly.parts import closing_all, make_agent, make_remote_env, with_human
from robolearn.assembly.training import exploring
from robolearn.core.files import replace_file
from robolearn.core.memory import keep_freed_memory, spare_what_stays
from robolearn.core.specs import EnvSpec
from robolearn.envs.config import TaskConfig
from robolearn.envs.dress import make_vector_env, vectorised
from robolearn.hardware.bridge.client import BridgeClient
from robolearn.run.actor import act
from robolearn.run.config import LearnerConfig
from robolearn.run.link import LearnerLink, inquire
from robolearn.run.rollout import EpisodeEnd, VectorEnv
from robolearn.run.steplog import StepLog
from robolearn.wire.training import TRAINING, Join, fingerprint


def act_for(
    cfg: ActorConfig, stop: Callable[[], bool], on_episode: Callable[[EpisodeEnd], None] = lambda _: None
) -> dict[str, Any]:
    """Act for the learner that `cfg` names until it has finished or `stop` comes; return what was done.

    Raises:
        ConfigError: If the learner refuses this actor.
        DataError: If the log is damaged or used by another process.
    """
    import torch

    torch.set_num_threads(cfg.threads)
    keep_freed_memory()
    text = inquire(cfg.learner, stop)
    if text is None:
        return {"episodes": 0, "steps": 0}
    folder = Path(cfg.root) / cfg.name / config.run_id(text)
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / "config.yaml", text)
    run = config.load(folder / "config.yaml", LearnerConfig, cfg.change)
    with closing_all() as closing:
        envs = _envs(cfg, run.env, closing)
        spec: EnvSpec = envs.call("env_spec")[0]
        agent = make_agent(run.agent, spec, run.seed)
        log = closing(StepLog(folder / "steps.log"))
        hello = Join(version=TRAINING, actor=cfg.name, log=log.id, config=fingerprint(text), spec=spec)
        link, before = closing(LearnerLink(cfg.learner, log, hello)), len(log)
        seed = zlib.crc32(f"{cfg.name} {log.id} {before}".encode())  # no episode twice, whoever is restarted
        rollout = exploring(envs, agent, seed)
        spare_what_stays()
        episodes = act(rollout, agent, link, cfg.pace, stop, on_episode)
        steps = len(log) - before
        return {"episodes": episodes, "steps": steps, "late": rollout.late, "unsafe": link.unsafe, "joins": link.joins}


def _envs(cfg: ActorConfig, env: TaskConfig, closing: Callable[[Any], Any]) -> VectorEnv:
    if not cfg.remote:
        return closing(make_vector_env(env, 1, processes=False))
    client = closing(BridgeClient(cfg.client))
    return closing(vectorised(with_human(make_remote_env(env, client, cfg.pause_s), cfg.human, closing)))
