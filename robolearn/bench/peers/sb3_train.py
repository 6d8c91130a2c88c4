"""Train Stable-Baselines3's SAC for a few steps on an env of ours, through Gymnasium alone."""
# pyright: reportMissingImports=false

import json
import sys
import time


def main() -> None:
    """Train; JSON argument: env (Gymnasium id), kwargs of the env, steps, batch, threads.

    Prints {"steps", "updates", "train_s", "critic_loss"}.
    """
    import gymnasium
    import torch
    from stable_baselines3 import SAC

    defaults = {"env": "robolearn.envs:robolearn/PickCube-v0", "kwargs": {}, "steps": 200, "batch": 32, "threads": 2}
    args = {**defaults, **json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}")}
    torch.set_num_threads(args["threads"])
    env = gymnasium.make(args["env"], **args["kwargs"])
    spaces: gymnasium.spaces.Dict = env.observation_space  # pyright: ignore[reportAssignmentType]
    names = {key: key.replace(".", "_") for key in spaces}  # SB3 makes a torch module of each; those allow no dot
    env = gymnasium.wrappers.TransformObservation(
        env,
        lambda obs: {names[key]: value for key, value in obs.items()},
        gymnasium.spaces.Dict({names[key]: space for key, space in spaces.items()}),
    )
    model = SAC("MultiInputPolicy", env, buffer_size=1000, batch_size=args["batch"], learning_starts=100, seed=0)
    start = time.perf_counter()
    model.learn(args["steps"])
    figures = {
        "steps": model.num_timesteps,
        "updates": model._n_updates,
        "train_s": time.perf_counter() - start,
        "critic_loss": float(model.logger.name_to_value["train/critic_loss"]),
    }
    env.close()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
