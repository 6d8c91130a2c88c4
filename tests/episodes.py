"""Episodes of smooth pictures and random numbers, for tests of files."""

import json
from pathlib import Path

import h5py
import numpy as np

from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import Source, Step

SPEC = EnvSpec(
    obs={
        "pixels/front": ArraySpec((32, 48, 3), "uint8", 0, 255),
        "proprio/arm.position": ArraySpec((3,), "float32"),
        "proprio/arm.gripper": ArraySpec((1,), "float32"),
        "state/cube": ArraySpec((2,), "float32"),
    },
    action=ActionSpec((ActionPart(arm="arm", kind=ActionKind.TRANSLATION_DELTA, size=3, scale=0.02),)),
    rate_hz=10.0,
    max_steps=50,
)


def picture(t: int, seed: int) -> np.ndarray:
    """Return a smooth picture that is another one at every step."""
    y, x = np.mgrid[:32, :48]
    return np.stack([4 * x + 9 * t, 6 * y + 20 * seed, 2 * (x + y)], axis=-1).astype(np.uint8) // 2 + 60


def episode(seed: int, length: int) -> list[Step]:
    rng = np.random.default_rng(seed)
    steps = []
    for t in range(length + 1):
        last = t == length
        obs = {
            "pixels/front": picture(t, seed),
            **{k: rng.normal(size=a.shape).astype(np.float32) for k, a in SPEC.obs.items() if a.dtype == "float32"},
        }
        steps.append(
            Step(
                obs=obs,
                action=np.zeros(3, np.float32) if last else rng.uniform(-1, 1, 3).astype(np.float32),
                rewards={"task": 0.0 if last else float(t == length - 1)},
                is_first=t == 0,
                is_last=last,
                is_terminal=last,
                intervened=not last and t == 1,
                success=t >= length - 1,
                source=Source.INTERVENTION if not last and t == 1 else Source.DEMO,
            )
        )
    return steps


def robomimic_file(path: Path, episodes: int = 3, length: int = 6, wins_at: int | None = 4) -> Path:
    """Write a file as robomimic does: robosuite's names, quaternions with w last, grippers that close at +1."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        kwargs = {"control_freq": 20, "robots": ["Panda"]}
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "type": 1, "env_kwargs": kwargs})
        data.attrs["total"] = episodes * length
        for i in range(episodes):
            rng = np.random.default_rng(i)
            demo = data.create_group(f"demo_{i}")
            demo.attrs["num_samples"] = length
            whole = {
                "agentview_image": rng.integers(0, 256, (length + 1, 16, 16, 3), np.uint8),
                "robot0_eef_pos": rng.normal(size=(length + 1, 3)),
                "robot0_eef_quat": rng.normal(size=(length + 1, 4)),
                "robot0_gripper_qpos": rng.normal(size=(length + 1, 2)),
                "object": rng.normal(size=(length + 1, 10)),
            }
            for name, values in whole.items():
                demo[f"obs/{name}"], demo[f"next_obs/{name}"] = values[:-1], values[1:]
            demo["actions"] = rng.uniform(-1, 1, (length, 7))
            rewards = np.zeros(length)
            if wins_at is not None:
                rewards[wins_at:] = 1.0
            demo["rewards"], demo["dones"] = rewards, np.arange(length) == length - 1
            demo["states"] = rng.normal(size=(length, 32))
        file["mask/train"] = np.array([b"demo_0", b"demo_2"])
    return path
