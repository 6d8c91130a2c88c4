"""Datasets in other people's hands: what their own loaders read of ours, and what converting many episodes costs."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robolearn.assembly.demos import record
from robolearn.bench.peers import run_peer
from robolearn.core.rng import spawn
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import PIXELS, Step, last_step
from robolearn.data import convert, open_demos, write_demos
from robolearn.data.layout import stored_name
from robolearn.data.lerobot import IMAGES, VECTORS, vector_keys
from robolearn.envs.build import build_env
from robolearn.envs.tasks.pick_cube import PickCubeConfig

EPISODES = 5
"""Recorded for the round trips."""
MANY, FEW = 10_000, 500
"""Episodes of the two conversions whose memory is compared."""
LENGTH = 20
"""Steps of a synthetic episode."""
Arrays = Mapping[str, NDArray[np.generic]]


def bench_formats() -> dict[str, object]:
    """Check round trips through the loaders of lerobot and robomimic, and the memory of large conversions.

    Returns:
        `robomimic`, `lerobot`: None where `.venv-peers` lacks them, else their version and the largest difference of numbers
        between what was recorded and what their loader gives (0 is equal to the bit), of pixels the largest and the mean
        difference (of 255). `convert_<form>`: seconds, episodes a second, peak memory in MiB for `MANY` episodes and for `FEW`.
    """
    with tempfile.TemporaryDirectory(prefix="robolearn-formats-") as folder:
        at = Path(folder)
        recorded, spec = _recorded(at / "ours.hdf5")
        result: dict[str, object] = {
            "episodes": len(recorded),
            "robomimic": _robomimic(at, recorded, spec),
            "lerobot": _lerobot(at, recorded, spec),
        }
        source = at / "many.hdf5"
        write_demos(source, SYNTHETIC, synthetic(MANY))
        few = at / "few.hdf5"
        write_demos(few, SYNTHETIC, synthetic(FEW))
        for form, name in (("lerobot", "set"), ("hdf5", "copy.hdf5")):
            result[f"convert_{form}"] = {
                "many": measured(source, at / f"many_{name}", MANY),
                "few": measured(few, at / f"few_{name}", FEW),
            }
    return result


def _recorded(path: Path) -> tuple[list[list[Step]], EnvSpec]:
    cfg = PickCubeConfig(observation="both")
    env = build_env(cfg)
    spec = env.env_spec
    env.close()
    episodes = record(cfg, EPISODES, 0, 0.3, states=True)
    write_demos(path, spec, episodes, env={"id": "pick_cube"})
    return episodes, spec


def _robomimic(at: Path, recorded: Sequence[Sequence[Step]], spec: EnvSpec) -> dict[str, object] | None:
    out = at / "robomimic.npz"
    names = {key: stored_name(f"obs/{key}").removeprefix("obs/") for key in spec.obs}
    peer = run_peer("robomimic_load", path=str(at / "ours.hdf5"), out=str(out), keys=list(names.values()))
    if peer is None:
        return None
    seen = {name.replace("|", "/"): values for name, values in np.load(out).items()}
    body = [step for episode in recorded for step in episode[:-1]]
    after = [step for episode in recorded for step in episode[1:]]
    expected: dict[str, NDArray[np.generic]] = {
        "actions": np.stack([step.action for step in body]),
        "rewards": np.array([step.rewards["task"] for step in body], np.float32),
        **{f"obs/{name}": np.stack([step.obs[key] for step in body]) for key, name in names.items()},
        **{f"next_obs/{name}": np.stack([step.obs[key] for step in after]) for key, name in names.items()},
    }
    return {"version": peer["version"], "steps": peer["steps"], **differences(expected, seen)}


def _lerobot(at: Path, recorded: Sequence[Sequence[Step]], spec: EnvSpec) -> dict[str, object] | None:
    out = at / "lerobot.npz"
    convert(open_demos(at / "ours.hdf5"), at / "set", task="lift the cube")
    peer = run_peer("lerobot_load", path=str(at / "set"), out=str(out))
    if peer is None:
        return None
    seen = dict(np.load(out))
    steps = [step for episode in recorded for step in episode[:-1]]
    expected: dict[str, NDArray[np.generic]] = {"action": np.stack([step.action for step in steps])}
    for prefix, name in VECTORS.items():
        keys = vector_keys(spec, prefix)
        expected[name] = np.stack([np.concatenate([step.obs[key].ravel() for key in keys]) for step in steps])
    for key in spec.pixel_keys:
        expected[IMAGES + key.removeprefix(PIXELS)] = np.stack([step.obs[key] for step in steps])
    pictures = {name: (255.0 * values).round() for name, values in seen.items() if name.startswith(IMAGES)}
    seen |= {name: values.transpose(0, 2, 3, 1).astype(np.uint8) for name, values in pictures.items()}
    return {"version": peer["version"], "frames": peer["frames"], **differences(expected, seen)}


def differences(expected: Arrays, seen: Arrays) -> dict[str, float]:
    """Return the largest difference of numbers, and the largest and the mean of pixels; infinite where shapes differ."""
    numbers, pixels = [0.0], [np.zeros(1)]
    for name, values in expected.items():
        other = seen.get(name)
        if other is None or other.shape != values.shape:
            return {"numbers": float("inf"), "pixels": float("inf"), "pixels_mean": float("inf")}
        difference = np.abs(other.astype(np.float64) - values.astype(np.float64))
        if values.dtype == np.uint8:
            pixels.append(difference.ravel())
        else:
            numbers.append(float(difference.max()))
    every = np.concatenate(pixels[1:] or pixels)
    return {"numbers": max(numbers), "pixels": float(every.max()), "pixels_mean": float(every.mean())}


SYNTHETIC = EnvSpec(
    obs={"pixels/front": ArraySpec((32, 32, 3), "uint8", 0, 255), "proprio/arm.q": ArraySpec((7,), "float32")},
    action=ActionSpec((ActionPart(arm="arm", kind=ActionKind.TRANSLATION_DELTA, size=3, scale=0.02),)),
    rate_hz=10.0,
    max_steps=100,
)


def synthetic(count: int) -> Iterator[list[Step]]:
    """Yield episodes of noise, one at a time."""
    for index in range(count):
        rng = spawn(index)
        frames = rng.integers(0, 256, (LENGTH + 1, 8, 8, 3), np.uint8).repeat(4, axis=1).repeat(4, axis=2)
        steps: list[Step] = []
        for t in range(LENGTH):
            obs = {"pixels/front": frames[t], "proprio/arm.q": rng.normal(size=7).astype(np.float32)}
            action = rng.uniform(-1, 1, 3).astype(np.float32)
            steps.append(Step(obs=obs, action=action, rewards={"task": 0.0}, is_first=t == 0))
        obs = {"pixels/front": frames[LENGTH], "proprio/arm.q": np.zeros(7, np.float32)}
        yield [*steps, last_step(steps[-1], obs, terminated=False)]


def measured(source: Path, out: Path, episodes: int) -> dict[str, float]:
    """Convert in a process of its own; return its time, and the most memory that it held."""
    command = [sys.executable, "-m", "robolearn.bench.formats", str(source), str(out)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "episodes_per_s": episodes / seconds, "memory_mib": float(done.stdout.split()[-1])}


def main(argv: Sequence[str]) -> None:
    """Convert argv[0] to argv[1]; the last word of the output is the peak memory of this process in MiB."""
    convert(open_demos(Path(argv[0])), Path(argv[1]))
    (peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    sys.stdout.write(f"{int(peak.split()[1]) / 1024}\n")  # getrusage would count what the parent held


if __name__ == "__main__":
    main(sys.argv[1:])
