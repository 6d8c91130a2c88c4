"""What a full SAC update costs, stage by stage, against Stable-Baselines3 at the same sizes."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch

from robolearn.agents.sac.agent import SacAgent
from robolearn.agents.sac.config import ActorConfig, BcConfig, EncoderConfig, SacConfig
from robolearn.agents.sac.encoding import EndToEnd
from robolearn.bench.peers import run_peer
from robolearn.core.learning import BatchSpec, Progress
from robolearn.core.memory import keep_freed_memory
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import Obs, Source, Step
from robolearn.replay import Replay

ENCODERS = {
    "": EncoderConfig(freeze="none"),
    "conv_": EncoderConfig(kind="conv", patch=4, channels=[32, 64, 64], freeze="none"),
    "float32_": EncoderConfig(freeze="none", precision="float32"),
}
"""By prefix of the figures: the encoder of the main job, one of overlapping convolutions (8x8/4, 3x3/2, 3x3/2), and the
first again without reduced precision."""
MAIN = 64
"""Image size of the main job, at which its own update (cached features) is timed."""


def bench_sac(
    *, batch: int = 256, size: int = 84, proprio: int = 18, action: int = 7, threads: int = 2, repeats: int = 9
) -> dict[str, object]:
    """Time full updates: critics, actor and temperature on one batch, encoder trained end to end, no cached features.

    Args:
        batch: Transitions an update.
        size: Height and width of both cameras, pixels.
        proprio: Length of the vector observation.
        action: Length of the action.
        threads: Of torch, here and in the peer.
        repeats: Timed updates; the median counts.

    Returns:
        `update_s` (sampling not included), `vs_sb3` (None without the peer), the same with `conv_`; `stages_ms` and
        `conv_stages_ms`; `cached_update_s`, an update of the main job on cached features; on a GPU all of it again
        under `cuda`.
    """
    sizes = {"batch": batch, "size": size, "proprio": proprio, "action": action}
    keep_freed_memory()
    with _threads(threads):
        result: dict[str, object] = {**_bench_device("cpu", sizes, repeats)}
        if torch.cuda.is_available():
            result["cuda"] = _bench_device("cuda", sizes, repeats)
    peer = run_peer("sb3_sac", threads=threads, cameras=2, batch=batch, size=size, proprio=proprio, action=action)
    for prefix in ENCODERS:
        update_s = result[f"{prefix}update_s"]
        assert isinstance(update_s, float)
        result[f"{prefix}vs_sb3"] = None if peer is None else peer["update_s"] / update_s
    return {**result, "sb3_update_s": None if peer is None else peer["update_s"], "threads": threads, **sizes}


def _bench_device(device: str, sizes: Mapping[str, int], repeats: int) -> dict[str, object]:
    spec = _spec(sizes["size"], sizes["proprio"], sizes["action"])
    replay = _random_replay(spec, rows=2 * sizes["batch"])
    result: dict[str, object] = {}
    for prefix, encoder in ENCODERS.items():
        cfg = SacConfig(device=device, encoder=encoder, actor=ActorConfig(every=1, wait=0), batch=sizes["batch"])
        agent = SacAgent(cfg, spec, seed=0)
        batch = _planned_batch(agent)
        sample = replay.sample(batch, np.random.default_rng(0))
        result[f"{prefix}update_s"] = _median_s(lambda agent=agent, sample=sample: agent.update(sample), repeats)
        result[f"{prefix}stages_ms"] = _stages(agent, replay, batch, repeats)
    result["cached_update_s"] = _cached_update_s(device, sizes, repeats)
    return result


def _stages(agent: SacAgent, replay: Replay, batch: BatchSpec, repeats: int) -> dict[str, float]:
    """Time the parts of an update one by one; what the sum lacks to an update is their being run in turn."""
    learner, encoding, encoder = agent.learner, agent.encoding, agent.policy.encoder
    assert isinstance(encoding, EndToEnd)
    rng = np.random.default_rng(0)
    tensors = learner.tensors(replay.sample(batch, rng))
    frames, later = encoding.shifted(tensors, "obs/"), encoding.shifted(tensors, "next_obs/")
    x, following = learner.observe(tensors).detach(), learner.observe_next(tensors)
    target = learner.target_values(following, tensors)

    def forward() -> None:
        encoder(frames)
        with torch.no_grad():
            encoder(later)

    def both_ways() -> None:
        encoder(frames).sum().backward()

    stages: dict[str, Callable[[], object]] = {
        "sampling": lambda: replay.sample(batch, rng),
        "augmentation": lambda: (encoding.shifted(tensors, "obs/"), encoding.shifted(tensors, "next_obs/")),
        "encoder_forward": forward,
        "encoder_backward": both_ways,
        "target": lambda: learner.target_values(following, tensors),
        "critics": lambda: learner.fit_critics(x, tensors["action"], target),
        "actor": lambda: learner.update_actor(x, tensors, clone_weight=0.0),
    }
    ms = {name: 1e3 * _median_s(stage, repeats) for name, stage in stages.items()}
    ms["encoder_backward"] -= 1e3 * _median_s(lambda: encoder(frames), repeats)
    return ms


def _cached_update_s(device: str, sizes: Mapping[str, int], repeats: int) -> float:
    """Return the mean time of the main job's update: its own sizes, features from replay's cache, sampling included."""
    spec = _spec(MAIN, sizes["proprio"], 5)
    replay, rng = _random_replay(spec, rows=600), np.random.default_rng(0)
    agent = SacAgent(SacConfig(device=device, bc=BcConfig(updates=1)), spec, seed=0)
    plan = agent.plan(Progress(rows=replay.rows()))
    assert plan.batch is not None
    agent.update(replay.sample(plan.batch, rng))
    batch = _planned_batch(agent, rows=replay.rows())

    def pair() -> None:
        for _ in range(agent.cfg.actor.every):
            agent.update(replay.sample(batch, rng))

    return _median_s(pair, 5 * repeats) / agent.cfg.actor.every


def _planned_batch(agent: SacAgent, rows: Mapping[str, int] | None = None) -> BatchSpec:
    """Carry `agent` to its last phase and return the batches it asks for there."""
    progress = Progress(env_steps=agent.cfg.warmup_steps + 1, rows={"any": 1} if rows is None else rows)
    while (plan := agent.plan(progress)).batch is None:
        continue
    return plan.batch


def _spec(size: int, proprio: int, action: int) -> EnvSpec:
    image = ArraySpec((size, size, 3), "uint8", 0, 255)
    return EnvSpec(
        obs={"pixels/front": image, "pixels/wrist": image, "proprio/arm.all": ArraySpec((proprio,), "float32")},
        action=ActionSpec((ActionPart(arm="arm", kind=ActionKind.JOINT_DELTA, size=action),)),
        rate_hz=10.0,
        max_steps=50,
    )


def _random_replay(spec: EnvSpec, rows: int) -> Replay:
    """Return one long demonstration and as much of the agent's own, all of it noise."""
    rng = np.random.default_rng(0)
    replay = Replay(spec, rows)
    for row in range(rows):
        obs: Obs = {
            key: rng.integers(0, 256, s.shape, np.uint8)
            if s.dtype == "uint8"
            else rng.standard_normal(s.shape, np.float32)
            for key, s in spec.obs.items()
        }
        action = rng.uniform(-1.0, 1.0, spec.action.size).astype(np.float32)
        source = Source.DEMO if row < rows // 2 else Source.ONLINE
        step = Step(obs=obs, action=action, rewards={"task": float(row % 50 == 0)}, is_first=False, source=source)
        replay.add(step, stream=int(row < rows // 2))
    return replay


def _median_s(call: Callable[[], object], repeats: int) -> float:
    """Return the median time of `call` in s, after two calls that do not count."""
    times: list[float] = []
    for _ in range(repeats + 2):
        _synchronise()
        start = time.perf_counter()
        call()
        _synchronise()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
