"""Specs, random batches and a one-dimensional task for tests of learning agents, with a loop over real replay."""

import numpy as np
import torch

from robolearn.agents.sac.config import ActorConfig, EncoderConfig, SacConfig
from robolearn.core.learning import Progress
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import Mode, Previous, Source, Step
from robolearn.replay import Replay

IMAGE = ArraySpec((16, 16, 3), "uint8", 0, 255)


def make_spec(*, images: bool = True, vectors: bool = True, action: int = 2) -> EnvSpec:
    obs = {}
    if images:
        obs |= {"pixels/front": IMAGE, "pixels/wrist": IMAGE}
    if vectors:
        obs |= {"proprio/arm.q": ArraySpec((3,), "float32"), "state/cube": ArraySpec((2,), "float32")}
    part = ActionPart(arm="arm", kind=ActionKind.JOINT_DELTA, size=action)
    return EnvSpec(obs=obs, action=ActionSpec((part,)), rate_hz=10.0, max_steps=20)


def random_obs(spec: EnvSpec, rows: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        key: rng.integers(0, 256, (rows, *s.shape), dtype=np.uint8)
        if s.dtype == "uint8"
        else rng.standard_normal((rows, *s.shape), dtype=np.float32)
        for key, s in spec.obs.items()
    }


def small_sac(**changes) -> SacConfig:
    changes.setdefault("encoder", EncoderConfig(freeze="none", patch=4, channels=[8, 8], bottleneck=8, shift=2))
    changes.setdefault("actor", ActorConfig(wait=0))
    return SacConfig(**{"device": "cpu", "batch": 16, "warmup_steps": 1, **changes})


def fill_replay(spec: EnvSpec, *, demos: int = 3, online: int = 3, length: int = 12, seed: int = 0) -> Replay:
    """Return a replay of random episodes, demonstrations first; the last step of each is a success."""
    rng = np.random.default_rng(seed)
    replay = Replay(spec, capacity=1000)
    for episode in range(demos + online):
        source = Source.DEMO if episode < demos else Source.ONLINE
        obs = random_obs(spec, length + 1, rng)
        for t in range(length + 1):
            last = t == length
            action = np.zeros(spec.action.size) if last else rng.uniform(-1, 1, spec.action.size)
            replay.add(
                Step(
                    obs={key: value[t] for key, value in obs.items()},
                    action=action.astype(np.float32),
                    rewards={"task": float(t == length - 1)},
                    is_first=t == 0,
                    is_last=last,
                    is_terminal=last,
                    success=t == length - 1,
                    source=source,
                ),
                stream=episode,
            )
    return replay


def step_agent(agent, replay: Replay, rng: np.random.Generator, updates: int, *, env_steps: int = 100) -> list[dict]:
    """Carry out plans, without collecting, until `updates` updates are made; return their metrics as numbers."""
    metrics = []
    while len(metrics) < updates:
        env_steps += 1
        plan = agent.plan(Progress(env_steps=env_steps, rows=replay.rows()))
        for _ in range(min(plan.updates, updates - len(metrics))):
            losses = agent.update(replay.sample(plan.batch, rng))
            metrics.append({name: float(value) for name, value in losses.items()})
    return metrics


LINE = EnvSpec(
    obs={"state/x": ArraySpec((1,), "float32"), "state/goal": ArraySpec((1,), "float32")},
    action=ActionSpec((ActionPart(arm="toy", kind=ActionKind.JOINT_DELTA, size=1, scale=0.2),)),
    rate_hz=10.0,
    max_steps=20,
)


class Line:
    """A point on [-1, 1] that must come to rest near a goal; sparse reward, 20 steps."""

    spec = LINE

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def reset(self) -> dict[str, np.ndarray]:
        self.x, self.goal = self.rng.uniform(-1, 1, 2)
        self.t = 0
        return self.obs()

    def obs(self) -> dict[str, np.ndarray]:
        return {"state/x": np.array([self.x], np.float32), "state/goal": np.array([self.goal], np.float32)}

    def expert(self) -> np.ndarray:
        return np.clip([(self.goal - self.x) / 0.2], -1, 1).astype(np.float32)

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool]:
        self.t += 1
        self.x = float(np.clip(self.x + 0.2 * action[0], -1, 1))
        solved = abs(self.x - self.goal) < 0.05 and abs(float(action[0])) < 0.5
        return self.obs(), float(solved), solved, not solved and self.t >= LINE.max_steps


def run_episode(env, choose, replay: Replay | None = None, source: Source = Source.ONLINE) -> bool:
    """Run one episode of `env` with `choose(obs) -> (A,)`, storing it if there is a replay; return the success."""
    obs, first, done, solved = env.reset(), True, False, False
    while not done:
        action = choose(obs)
        after, reward, solved, cut = env.step(action)
        done = solved or cut
        if replay is not None:
            kind = {"source": source, "rewards": {"task": reward}}
            replay.add(Step(obs=obs, action=action, is_first=first, success=solved, **kind), stream=source == "demo")
            if done:
                end = Step(
                    obs=after, action=np.zeros_like(action), rewards={"task": 0.0}, is_first=False, is_last=True,
                    is_terminal=solved, is_truncated=cut, source=source,
                )  # fmt: skip
                replay.add(end, stream=source == "demo")
        obs, first = after, False
    return solved


def chooser(agent, mode: Mode, rng: np.random.Generator):
    def choose(obs: dict[str, np.ndarray]) -> np.ndarray:
        batch = {key: value[None] for key, value in obs.items()}
        return agent.act(batch, agent.initial(1), Previous.start(1, agent.spec.action.size), mode, rng).action[0]

    return choose


def single_thread() -> None:
    torch.set_num_threads(1)
