"""What a robot PC needs: the robot extra alone, in an environment of its own, runs a server and answers a client."""

import json
import subprocess
import tempfile
import venv
from pathlib import Path

from robolearn.bench.processes import BINDS, VERBS, Process
from robolearn.core.errors import RobolearnError
from robolearn.hardware.bridge.client import BridgeClient, ClientConfig, RemoteRobot

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "mujoco", "h5py")
"""What nobody should have to install there."""
LOADED = "import sys; from robolearn.assembly import robot; import robolearn.hardware; print(sorted(set(sys.modules) & {names!r}))"


def bench_install() -> dict[str, object]:
    """Install `robolearn[robot]` into a new environment, and command an arm that is not there through its server.

    Returns:
        `packages`: how many are installed; `heavy`: those of `HEAVY` that are installed or loaded; `moved`: rad that the arm went.
    """
    with tempfile.TemporaryDirectory(prefix="robolearn-robot-") as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        _run([python, "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), f"{ROOT}[robot]"])
        packages = json.loads(_run([python, "-m", "pip", "list", "--format=json"]))
        names = {package["name"].lower() for package in packages}
        loaded = _run([python, "-c", LOADED.format(names=set(HEAVY))], cwd=folder).strip()
        with Process((*VERBS, "robot_server", "robot=mock", *BINDS), python=python, cwd=folder) as server:
            moved = _move(server)
    heavy = sorted(names & set(HEAVY)) + json.loads(loaded.replace("'", '"'))
    return {"packages": len(packages), "heavy": heavy, "moved": moved}


def _move(server: Process) -> float:
    commands, states = server.address.split()
    client = BridgeClient(ClientConfig(commands=commands, states=states, name="bench"))
    with RemoteRobot(client, "arm") as robot:
        home = robot.state().q
        robot.reset(home + 0.1)
        moved = float((robot.state().q - home).min())
    client.close()
    return moved


def _run(words: list[str], cwd: str | None = None) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode != 0:
        raise RobolearnError(" ".join(words), expected="exit status 0", got=done.returncode, fix=done.stderr[-2000:])
    return done.stdout
