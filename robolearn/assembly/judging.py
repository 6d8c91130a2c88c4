"""Looking at what a run has learned."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from robolearn import checkpoint
from robolearn.assembly.parts import closing_all, make_agent
from robolearn.assembly.training import trained_config
from robolearn.core.errors import ConfigError
from robolearn.core.protocols import ActionValues
from robolearn.core.rng import spawn
from robolearn.envs.build import make_expert
from robolearn.envs.dress import make_env, make_vector_env
from robolearn.run.config import EvaluateConfig
from robolearn.run.directory import RunDirectory
from robolearn.run.evaluate import Evaluation, evaluate
from robolearn.run.finish import film_episodes
from robolearn.run.montecarlo import critic_bias
from robolearn.run.rollout import EpisodeEnd
from robolearn.run.subgoals import evaluate_subgoals

STATES_PER_EPISODE = 5
"""That a critic is judged in."""


def evaluate_run(cfg: EvaluateConfig, on_episode: Callable[[EpisodeEnd], None] | None = None) -> Evaluation:
    """Evaluate the policy of a run greedily on held-out seeds, and film some episodes.

    Raises:
        ConfigError: If there is no such run.
        CheckpointError: If its policy is damaged or was trained for another env spec.
    """
    import torch

    torch.set_num_threads(cfg.threads)
    run = RunDirectory.existing(Path(cfg.run))
    trained = trained_config(run, cfg.change)
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
    trained = trained_config(run, cfg.change)
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
    trained = trained_config(run, cfg.change)
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
