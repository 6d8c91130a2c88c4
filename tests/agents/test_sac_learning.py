import numpy as np
import pytest
from sac_toys import Line, chooser, run_episode, single_thread

from robolearn.agents.sac.agent import SacAgent
from robolearn.agents.sac.config import ActorConfig, BcConfig, CriticConfig, SacConfig, TemperatureConfig
from robolearn.core.learning import Progress
from robolearn.core.types import Mode, Source
from robolearn.replay import Replay


def success_rate(choose, episodes=100, seed=10_000) -> float:
    env = Line(np.random.default_rng(seed))
    return sum(run_episode(env, choose) for _ in range(episodes)) / episodes


def train(demos: int, budget: int, cfg: SacConfig) -> tuple[SacAgent, dict[str, float]]:
    """Train on the line task for `budget` env steps; return the agent and its success at milestones."""
    single_thread()
    agent, replay, rng = SacAgent(cfg, Line.spec, seed=0), Replay(Line.spec, capacity=5000), np.random.default_rng(0)
    expert = Line(np.random.default_rng(1))
    for _ in range(demos):
        run_episode(expert, lambda _: expert.expert(), replay, Source.DEMO)
    env, milestones, steps, choose = Line(np.random.default_rng(2)), {}, 0, chooser(agent, Mode.EXPLORE, rng)
    while steps < budget:
        plan = agent.plan(Progress(env_steps=steps, rows=replay.rows()))
        if plan.milestone:
            milestones[plan.milestone] = success_rate(chooser(agent, Mode.EXPLOIT, rng))
        if plan.collect:
            before = len(replay)
            run_episode(env, choose, replay)
            steps += len(replay) - before
        for _ in range(plan.updates):
            agent.update(replay.sample(plan.batch, rng))
    return agent, milestones


@pytest.mark.parametrize("demos", [0, 3])
def test_sac_beats_random_on_a_line(demos):
    rng = np.random.default_rng(3)
    random = success_rate(lambda _: rng.uniform(-1, 1, 1).astype(np.float32))
    cfg = SacConfig(
        device="cpu", batch=64, vector_floor=0.01, warmup_steps=200, discount=0.9, bc=BcConfig(updates=100, decay=300),
        actor=ActorConfig(hidden=[64, 64], log_std_start=-0.5, log_std_max=0.5, wait=0), critic=CriticConfig(hidden=[64, 64]),
        temperature=TemperatureConfig(start=0.05),
    )  # fmt: skip
    agent, milestones = train(demos, 2500, cfg)
    trained = success_rate(chooser(agent, Mode.EXPLOIT, rng))
    assert set(milestones) == ({"bc"} if demos else set())
    assert trained >= 0.9 > random + 0.2
