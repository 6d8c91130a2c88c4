"""Other people's simulators and learners, measured in `.venv-peers` (`make bench-setup`), each in its own process."""

import json
import logging
import os
import subprocess
from pathlib import Path
from typing import Any

from robolearn.core.errors import RobolearnError, nearest

HERE = Path(__file__).parent
PEER_PYTHON = HERE.parents[2] / ".venv-peers" / "bin" / "python"
_log = logging.getLogger(__name__)


def run_peer(name: str, *, threads: int = 2, timeout_s: float = 600.0, **args: object) -> dict[str, Any] | None:
    """Run the peer script `name` in a process of its own and return what it measured.

    Args:
        name: A script of this folder: robosuite_lift | gym_hil_pick | sb3_sac | sb3_train.
        threads: Threads that its numeric libraries may use.
        timeout_s: The process is ended after this long.
        args: Passed to the script as one JSON object.

    Returns:
        The JSON object of the last line that it printed, or None where the peers are not installed.

    Raises:
        RobolearnError: If there is no such script, it fails, or it takes too long.
    """
    script = HERE / f"{name}.py"
    known = sorted(path.stem for path in HERE.glob("[a-z]*.py"))
    if name not in known:
        raise RobolearnError("peer", expected="a known script", got=name, fix=nearest(name, known))
    if not PEER_PYTHON.is_file():
        _log.warning("no .venv-peers here, so %s is not measured; `make bench-setup` installs it", name)
        return None
    words = [str(PEER_PYTHON), str(script), json.dumps({"threads": threads, **args})]
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    environment = {"MUJOCO_GL": "egl", **os.environ, **limits}
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=timeout_s, env=environment, cwd=HERE.parents[2]
        )
    except subprocess.TimeoutExpired as error:
        raise RobolearnError(f"peer {name}", expected=f"an end within {timeout_s:.0f} s", got="none") from error
    if done.returncode != 0:
        raise RobolearnError(f"peer {name}", expected="exit status 0", got=done.returncode, fix=done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])
