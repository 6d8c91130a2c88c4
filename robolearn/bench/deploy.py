"""A policy that was trained in simulation, unchanged on the twin: other processes, sockets between them, and real time."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from robolearn.bench.config import BenchConfig
from robolearn.bench.processes import BINDS, VERBS, Process
from robolearn.core.errors import RobolearnError

EPISODES = 100


def bench_deploy(cfg: BenchConfig) -> dict[str, object]:
    """Evaluate the policy of the main job in simulation and deploy it on the twin, both on the same `EPISODES` scenes.

    Returns:
        `in_process` and `deployed`: success and its Wilson interval, and of the second also its timing; `agree`: whether the success deployed lies
        within the interval of the success in process.
    """
    with trained(cfg) as run, twin() as server:
        inside = verb("evaluate", f"run={run}", f"episodes={EPISODES}", "videos=0")
        deployed = verb("deploy", f"run={run}", f"episodes={EPISODES}", *addresses(server))
    agree = float(inside["wilson_low"]) <= float(deployed["success"]) <= float(inside["wilson_high"])
    return {"in_process": inside, "deployed": deployed, "agree": agree}


@contextmanager
def trained(cfg: BenchConfig) -> Iterator[Path]:
    """Yield the run of `cfg`, or one of the main job that is trained now."""
    if cfg.run:
        yield Path(cfg.run)
        return
    with tempfile.TemporaryDirectory(prefix="robolearn-bench-") as root:
        yield Path(str(verb("train", f"root={root}", "evaluation.episodes=0", "evaluation.videos=0")["run"]))


def twin() -> Process:
    """Return a twin of the main job's task."""
    return Process((*VERBS, "robot_server", "robot=twin", "env=pick_cube", *BINDS))


def addresses(server: Process) -> list[str]:
    """Return the words that tell a client of ours where a server is."""
    commands, states = server.address.split()
    return [f"client.commands={commands}", f"client.states={states}"]


def verb(*words: str) -> dict[str, float | str]:
    """Run one verb in a process of its own; return the JSON object of its last line.

    Raises:
        RobolearnError: If it fails, with the end of what it says.
    """
    done = subprocess.run([sys.executable, *VERBS, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RobolearnError(" ".join(words), expected="exit status 0", got=done.returncode, fix=done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def start(words: Sequence[str]) -> subprocess.Popen[str]:
    """Start one verb in a process of its own."""
    return subprocess.Popen([sys.executable, *VERBS, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
