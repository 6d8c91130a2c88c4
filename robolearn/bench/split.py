"""What having its actor elsewhere costs a learner, and the learner its actor: both at work, on a core each.

The learner, on one core with one thread, updates as fast as it can; beside an actor that acts on a twin in real time, and, in turns with that, in one
process, which now and then steps a simulation of its own.
"""

import json
import os
import statistics
import tempfile
from pathlib import Path

from robolearn.bench.actors import FINISH_S, Split
from robolearn.bench.deploy import addresses, start
from robolearn.bench.processes import BINDS, VERBS, Process
from robolearn.core.errors import RobolearnError

ROUNDS = 3
STEPS = 120
CONFIG = (
    "env=pick_cube",
    "mirror=false",
    "demos.count=2",
    "threads=1",
    f"max_env_steps={STEPS}",
    "agent.updates_per_step=60",  # more than a learner gets done while a robot takes a step
    "agent.bc.updates=20",
    "agent.warmup_steps=20",
    "agent.encoder.refresh_at=[]",
    "checkpoint_every=0",
    "evaluation.check_every=0",
    "evaluation.episodes=0",
    "evaluation.videos=0",
)
SETTLED = 0.2
"""Share of the updates that are left out at the beginning."""


def bench_split() -> dict[str, float]:
    """Measure `ROUNDS` times.

    Returns:
        `learner_updates_per_s`, `single_updates_per_s`: medians; `ratio` of the first and the second, round by round, their median;
        `actor_steps`, `actor_late`: steps of the actor, and how many of them came after their time.
    """
    rounds = [_round() for _ in range(ROUNDS)]
    return {
        "learner_updates_per_s": statistics.median(r["learner"] for r in rounds),
        "single_updates_per_s": statistics.median(r["single"] for r in rounds),
        "ratio": statistics.median(r["learner"] / r["single"] for r in rounds),
        "actor_steps": sum(r["steps"] for r in rounds),
        "actor_late": sum(r["late"] for r in rounds),
    }


def _round() -> dict[str, float]:
    mine, others = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="robolearn-split-") as folder:
        with (
            Process((*VERBS, "robot_server", "robot=twin", "env=pick_cube", *BINDS)) as twin,
            Split(Path(folder), CONFIG, {"left": ("remote=true", *addresses(twin))}) as split,
        ):
            _pin(twin.popen.pid, others)
            for who, core in zip(split.names, (mine, others), strict=True):
                _pin(split.start(who), core)
            split.wait(FINISH_S)
            learner = _updates_per_s(split.run / "metrics.jsonl")
            actor = split.summary("left")
        single = start(["train", *CONFIG, f"root={folder}", "name=single"])
        _pin(single.pid, mine)
        error = single.communicate()[1]
        if single.returncode != 0:
            raise RobolearnError("train", expected="exit status 0", got=single.returncode, fix=error[-2000:])
        alone = _updates_per_s(Path(folder) / "single" / "metrics.jsonl")
    return {"learner": learner, "single": alone, "steps": actor["steps"], "late": actor["late"]}


def _pin(pid: int, core: int) -> None:
    """Keep a process, with the threads that it has by now, on one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def _updates_per_s(metrics: Path) -> float:
    """Return the rate over a run's training, its beginning left out."""
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    losses = [row for row in rows if "train/critic_loss" in row]
    last = losses[-1]
    first = next(row for row in losses if row["run/updates"] > SETTLED * last["run/updates"])
    return (last["run/updates"] - first["run/updates"]) / (last["time_s"] - first["time_s"])
