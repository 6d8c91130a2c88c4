"""A deployment that goes on and on: does anything grow, and is every step accounted for?"""

import json
import os
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from robolearn.bench.config import BenchConfig
from robolearn.bench.deploy import addresses, start, trained, twin
from robolearn.core.errors import ConfigError, RobolearnError
from robolearn.envs.tasks.base import ARM
from robolearn.hardware.bridge.client import BridgeClient, ClientConfig

EVERY_S = 5.0
SHARE = 5
"""The first fifth of the samples, after warm-up, is compared with the last."""
WARM_UP_S = 60.0
LEAST_MIN = 2.0
MANY = 1_000_000
MOST_MIB = 5.0
"""By which memory may have grown in the end."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Samples:
    """Memory, MiB, and open files of a process over time."""

    memory: list[float] = field(default_factory=list[float])
    files: list[float] = field(default_factory=list[float])

    def take(self, pid: int) -> None:
        """Look at a process."""
        folder = Path(f"/proc/{pid}")
        self.memory.append(int((folder / "statm").read_text().split()[1]) * _PAGE / 2**20)
        self.files.append(float(len(list((folder / "fd").iterdir()))))

    def growth(self) -> dict[str, float]:
        """Return first and last medians, of memory and of files."""
        fifth = max(len(self.memory) // SHARE, 1)
        ends = {"first": slice(None, fifth), "last": slice(-fifth, None)}
        return {
            f"{what}_{end}": statistics.median(values[part])
            for what, values in (("memory_mib", self.memory), ("files", self.files))
            for end, part in ends.items()
        }

    def flat(self) -> bool:
        """Return whether neither has grown."""
        found = self.growth()
        return (
            found["files_last"] <= found["files_first"]
            and found["memory_mib_last"] - found["memory_mib_first"] <= MOST_MIB
        )


def bench_soak(cfg: BenchConfig) -> dict[str, object]:
    """Deploy the policy of the main job on the twin for `cfg.minutes`.

    Returns:
        `server` and `client`: memory and open files, in the first and the last fifth of the time, the first minute left out; `deployed`: the
        summary of the deployment; `steps`: of the client, `accepted` and `rejected` commands of the server, and `accounted`, whether they add up;
        `flat`: whether no more files were open in the end, nor more memory in use than `MOST_MIB` above the first; `passed`: both.

    Raises:
        ConfigError: If so short a time shows nothing.
    """
    if cfg.minutes < LEAST_MIN:
        raise ConfigError("minutes", expected=f"{LEAST_MIN} or more", got=cfg.minutes)
    with trained(cfg) as run, twin() as server:
        client = start(["deploy", f"run={run}", f"episodes={MANY}", f"minutes={cfg.minutes}", *addresses(server)])
        samples = {"server": Samples(), "client": Samples()}
        summary = _watch(client, {"server": server.popen.pid, "client": client.pid}, samples)
        commands, states = server.address.split()
        listener = BridgeClient(ClientConfig(commands=commands, states=states, name="listener"))
        arm = listener.wait_for_states().arms[ARM]
        listener.close()
    steps, rejected = int(summary["steps"]), sum(arm.rejected.values())
    accounted, flat = steps == arm.accepted + rejected, all(each.flat() for each in samples.values())
    return {
        **{name: each.growth() for name, each in samples.items()},
        "deployed": summary,
        "steps": steps,
        "accepted": arm.accepted,
        "rejected": rejected,
        "accounted": accounted,
        "flat": flat,
        "passed": accounted and flat,
    }


def _watch(client: subprocess.Popen[str], pids: dict[str, int], samples: dict[str, Samples]) -> dict[str, float]:
    """Look at both until the client ends; return its summary."""
    begun = time.monotonic()
    while True:
        try:
            out, error = client.communicate(timeout=EVERY_S)
            break
        except subprocess.TimeoutExpired:
            if time.monotonic() - begun > WARM_UP_S:
                for name, pid in pids.items():
                    samples[name].take(pid)
    if client.returncode != 0:
        raise RobolearnError("deploy", expected="exit status 0", got=client.returncode, fix=error[-2000:])
    return json.loads(out.strip().splitlines()[-1])
