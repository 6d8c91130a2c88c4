"""Train Stable-Baselines3's SAC on an env of ours, through Gymnasium alone, and evaluate it."""
# pyright: reportMissingImports=false

import json
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gymnasium import Env
    from stable_baselines3 import SAC

DEFAULTS = {
    "env": "robolearn.envs:robolearn/PickCube-v0",
    "kwargs": {},
    "steps": 200,
    "batch": 256,
    "checks": 1,
    "episodes": 0,
    "first_seed": 0,
    "seed": 0,
    "threads": 2,
}


def main() -> None:
    """Train; JSON argument: `DEFAULTS`.

    Prints {"steps", "updates", "train_s", "critic_loss", "curve"}, where `curve` is [steps, successes of `episodes` greedy
    episodes on the seeds from `first_seed` on] at `checks` moments, the last one at the end.
    """
    import gymnasium
    import torch
    from stable_baselines3 import SAC

    args = {**DEFAULTS, **json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}")}
    torch.set_num_threads(args["threads"])
    env, check_env = (plainly_named(gymnasium.make(args["env"], **args["kwargs"])) for _ in range(2))
    model = SAC(
        "MultiInputPolicy",
        env,
        buffer_size=max(args["steps"], 1000),
        batch_size=args["batch"],
        learning_starts=100,
        seed=args["seed"],
    )
    seeds = range(args["first_seed"], args["first_seed"] + args["episodes"])
    train_s, curve = 0.0, []
    for check in range(args["checks"]):
        start = time.perf_counter()
        model.learn(args["steps"] // args["checks"], reset_num_timesteps=check == 0)
        train_s += time.perf_counter() - start
        curve.append([model.num_timesteps, sum(succeeds(model, check_env, seed) for seed in seeds)])
    figures = {
        "steps": model.num_timesteps,
        "updates": model._n_updates,
        "train_s": train_s,
        "critic_loss": float(model.logger.name_to_value["train/critic_loss"]),
        "curve": curve,
    }
    env.close()
    check_env.close()
    print(json.dumps(figures))


def plainly_named(env: "Env") -> "Env":
    """Return the env with observation keys without dots: SB3 makes a torch module of each, and those allow none."""
    from gymnasium import spaces, wrappers

    known: spaces.Dict = env.observation_space  # pyright: ignore[reportAssignmentType]
    names = {key: key.replace(".", "_") for key in known}
    return wrappers.TransformObservation(
        env,
        lambda obs: {names[key]: value for key, value in obs.items()},
        spaces.Dict({names[key]: space for key, space in known.items()}),
    )


def succeeds(model: "SAC", env: "Env", seed: int) -> bool:
    """Return whether the greedy policy solves the episode of `seed`."""
    obs, done, info = env.reset(seed=seed)[0], False, {}
    while not done:
        obs, _, terminated, truncated, info = env.step(model.predict(obs, deterministic=True)[0])
        done = terminated or truncated
    return bool(info["success"])


if __name__ == "__main__":
    main()
