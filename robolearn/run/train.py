"""The training loop: act, store, update as the agent plans; check, checkpoint, stop, evaluate.

The loop knows protocols only. What it counts as training time is demonstrations, updates and collecting; checks,
evaluations, checkpoints and films are counted apart.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from robolearn import checkpoint
from robolearn.core.clock import Every
from robolearn.core.learning import Plan, Progress
from robolearn.core.mirror import Mirror
from robolearn.core.protocols import Agent
from robolearn.core.rng import CHECK_SEEDS, EVAL_SEEDS, rng_state, set_rng_state, spawn
from robolearn.core.specs import EnvSpec
from robolearn.core.types import Step
from robolearn.log.sinks import Sink
from robolearn.replay import Replay
from robolearn.run.config import TrainConfig
from robolearn.run.demos import DEMO_STREAM, Episode, with_intentions
from robolearn.run.directory import RunDirectory
from robolearn.run.evaluate import Evaluation, evaluate
from robolearn.run.rollout import Collector, EpisodeEnd, VectorEnv
from robolearn.run.stop import StopRule, StopSignals
from robolearn.run.stopwatch import Stopwatch

logger = logging.getLogger(__name__)

LEARN = "rl"
MIRRORED_STREAMS = 2_000_000
"""Added to the number of a stream for the mirror image of its steps."""
TRAINING = ("demos", "bc", LEARN)
"""Names on the stopwatch whose sum is the training time."""


@dataclass(kw_only=True, slots=True)
class TrainParts:
    """What assembly hands to the loop."""

    agent: Agent[Any]
    spec: EnvSpec
    collector: Collector
    check_envs: VectorEnv
    demos: Callable[[], Sequence[Episode]]
    """Called once, at the start of a fresh run."""
    replay: Replay
    mirror: Mirror | None
    """Gives the mirror image of every episode, to be learned from as well."""
    config_yaml: str


class Trainer:
    """One training run, from demonstrations to the final evaluation."""

    def __init__(
        self,
        cfg: TrainConfig,
        parts: TrainParts,
        run: RunDirectory,
        sinks: Sequence[Sink],
        show: Callable[[Mapping[str, object]], None] = lambda _: None,
    ) -> None:
        self.cfg = cfg
        self.parts = parts
        self.run_dir = run
        self.agent = parts.agent
        self.replay = parts.replay
        self.watch = Stopwatch()
        self.rule = StopRule(threshold=cfg.evaluation.threshold, consecutive=cfg.evaluation.consecutive)
        self.milestones: dict[str, Mapping[str, float]] = {}
        self.env_steps = self.episodes = self.updates = 0
        self._learned_from = 0
        self.logged = 0
        """Rows handed to the sinks."""
        self._sinks = sinks
        self._show = show
        self._rng = spawn(cfg.seed, 1)
        self._due = {
            "check": Every(cfg.evaluation.check_every),
            "checkpoint": Every(cfg.checkpoint_every),
            "log": Every(cfg.log_every),
        }

    @property
    def train_s(self) -> float:
        """Return the training time so far in s."""
        return self.watch.total(*TRAINING)

    def progress(self) -> Progress:
        """Return what the agent's plan may depend on."""
        return Progress(env_steps=self.env_steps, episodes=self.episodes, updates=self.updates, rows=self.replay.rows())

    def train(self) -> str:
        """Train until solved, out of budget or interrupted; return which of the three.

        The agent then acts as it did at its best check, and can be evaluated but learns no more; the checkpoint goes on from the end.
        """
        with StopSignals() as signals:
            if self.env_steps == self.updates == 0:
                self._store_demos()
            while True:
                stopped = self._stopped(signals)
                if stopped is not None:
                    break
                plan = self.agent.plan(self.progress())
                if plan.milestone is not None:
                    self._pass_milestone(plan.milestone)
                with self.watch.running(LEARN):
                    self._collect(plan.collect)
                    self._update(plan)
                if self._due["check"](self.env_steps):
                    self._check()
                if self._due["checkpoint"](self.env_steps):
                    self.save()
        self.save()
        if stopped != "interrupted":
            self.parts.collector.finish()
        self._take_best()
        logger.info("stopped: %s after %d env steps, %.1f s of training", stopped, self.env_steps, self.train_s)
        return stopped

    def _stopped(self, signals: StopSignals) -> str | None:
        if signals.received is not None:
            return "interrupted"
        if self.rule.solved:
            return "solved"
        return "budget" if self.env_steps >= self.cfg.max_env_steps else None

    def _store_demos(self) -> None:
        with self.watch.running("demos"):
            for episode in self.parts.demos():
                self._put(episode, DEMO_STREAM)

    def _collect(self, steps: int) -> None:
        for _ in range(0, steps, self.parts.collector.size):
            tick = self.parts.collector.step(policy_version=self.updates)
            for stream, rows in tick.steps.items():
                self._put(rows, stream)
            self.env_steps += sum(not step.is_last for rows in tick.steps.values() for step in rows)
            for end in tick.ended:
                self.episodes += 1
                self._log_episode(end)

    def _put(self, steps: Sequence[Step], stream: int) -> None:
        """Store consecutive steps of a stream, and beside them their mirror image, if there is to be one."""
        whole = with_intentions(steps)
        self.replay.put(whole, stream)
        if self.parts.mirror is not None:
            self.replay.put(self.parts.mirror.steps(whole), stream + MIRRORED_STREAMS)

    def _update(self, plan: Plan) -> None:
        if plan.batch is None:
            return
        for _ in range(plan.updates):
            metrics = self.agent.update(self.replay.sample(plan.batch, self._rng))
            self.updates += 1
            if self._due["log"](self.updates):
                self._log({f"train/{name}": value for name, value in metrics.items()} | {"run/updates": self.updates})

    def _pass_milestone(self, name: str) -> None:
        """Evaluate the policy of a phase that just ended, on the final seeds, as the baseline of what follows."""
        self.watch.rename(LEARN, name)
        self._learned_from = self.updates
        logger.info("milestone %s after %.1f s of training", name, self.train_s)
        if self.cfg.evaluation.episodes:
            summary = self.evaluate_final().summary()
            self.milestones[name] = summary
            self._log({f"{name}/{key}": value for key, value in summary.items()})
        self.save()

    def _check(self) -> None:
        first = CHECK_SEEDS[0] + (len(self.rule.history) * self.cfg.evaluation.check_episodes) % len(CHECK_SEEDS)
        seeds = range(first, first + self.cfg.evaluation.check_episodes)
        with self.watch.running("checks"):
            summary = evaluate(self.agent, self.parts.check_envs, seeds).summary()
        self.rule.add(summary["success"], summary["return"])
        self._log({f"check/{key}": value for key, value in summary.items()})
        if self.rule.best:
            self._save_policy()

    def _take_best(self) -> None:
        """Put the policy of the best check, if there was one, into the agent."""
        if self.rule.history:
            self.agent.load_policy_state(checkpoint.load_bundle(self.run_dir.policy).state)

    def evaluate_final(self) -> Evaluation:
        """Evaluate the greedy policy on the held-out seeds."""
        seeds = EVAL_SEEDS[: self.cfg.evaluation.episodes]
        with self.watch.running("evaluation"):
            return evaluate(self.agent, self.parts.check_envs, seeds, lambda end: self._show({"evaluated": end.seed}))

    def _log_episode(self, end: EpisodeEnd) -> None:
        learn_s = max(self.watch.seconds.get(LEARN, 0.0), 1e-9)
        self._log(
            {
                "episode/success": end.success,
                "episode/return": end.total,
                "episode/length": end.length,
                "episode/intervened": end.intervened,
                "speed/env_steps_per_s": self.env_steps / learn_s,
                "speed/updates_per_s": (self.updates - self._learned_from) / learn_s,
                "run/updates": self.updates,
            }
        )

    def _log(self, metrics: Mapping[str, Any]) -> None:
        rows = [(self.env_steps, name, value) for name, value in metrics.items()]
        rows.append((self.env_steps, "time_s", self.train_s))
        for sink in self._sinks:
            sink(rows)
        self.logged += 1
        self._show({**metrics, "env_steps": self.env_steps, "updates": self.updates, "train_s": self.train_s})

    def save(self) -> None:
        """Write a checkpoint from which training goes on exactly, and, before the first check, the deployable policy."""
        with self.watch.running("checkpoints"):
            mark = self.replay.mark()
            state = {
                "agent": self.agent.state_dict(),
                "rollout": self.parts.collector.save(),
                "replay": mark,
                "loop": {
                    "env_steps": self.env_steps,
                    "episodes": self.episodes,
                    "updates": self.updates,
                    "logged": self.logged,
                    "learned_from": self._learned_from,
                    "history": [list(check) for check in self.rule.history],
                    "milestones": {name: dict(summary) for name, summary in self.milestones.items()},
                    "seconds": dict(self.watch.seconds),
                    "due": {name: every.due for name, every in self._due.items()},
                    "rng": rng_state(self._rng),
                },
            }
            checkpoint.save(self.run_dir.checkpoints, self.updates, state, keep=self.cfg.checkpoint_keep)
            if not self.rule.history:
                self._save_policy()

    def _save_policy(self) -> None:
        """Write the agent's present policy as the deployable one."""
        state = self.agent.policy_state()
        checkpoint.save_bundle(self.run_dir.policy, state, self.parts.spec, self.updates, self.parts.config_yaml)

    def restore(self, state: Mapping[str, Mapping[str, Any]], mode: str) -> None:
        """Go on from a checkpoint: `exact` rolls replay back to it, `keep` keeps what was collected since."""
        loop = state["loop"]
        self.agent.load_state_dict(state["agent"])
        self.env_steps, self.episodes, self.updates = (int(loop[k]) for k in ("env_steps", "episodes", "updates"))
        self._learned_from, self.logged = int(loop["learned_from"]), int(loop["logged"])
        self.rule.history = [(float(success), float(total)) for success, total in loop["history"]]
        self.milestones = dict(loop["milestones"])
        self.watch.load(loop["seconds"])
        for name, due in loop["due"].items():
            self._due[name].due = due
        set_rng_state(self._rng, cast("Mapping[str, int]", loop["rng"]))
        if mode == "exact":
            self.replay.rollback(cast("Mapping[str, int]", state["replay"]))
            self.parts.collector.restore(state["rollout"])
        else:
            self.parts.collector.restart(state["rollout"])
            stored = self.replay.rows().get("online", 0) // (1 if self.parts.mirror is None else 2)
            self.env_steps = max(self.env_steps, stored)
