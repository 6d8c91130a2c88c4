"""Time a gradient step of Stable-Baselines3's SAC from images; prints {"update_s": median}."""
# pyright: reportMissingImports=false

import json
import statistics
import sys
import time


def main() -> None:
    """Measure; JSON argument: threads, batch, size, cameras, proprio, action, updates, device."""
    import gymnasium
    import numpy as np
    import torch
    from stable_baselines3 import SAC
    from stable_baselines3.common.logger import Logger

    sizes = {"threads": 2, "batch": 256, "size": 84, "cameras": 2, "proprio": 18, "action": 7, "updates": 5}
    args = {**sizes, "device": "cpu", **json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}")}
    torch.set_num_threads(args["threads"])
    image = gymnasium.spaces.Box(0, 255, (args["size"], args["size"], 3), np.uint8)
    spaces = {f"camera{i}": image for i in range(args["cameras"])}
    proprio = gymnasium.spaces.Box(-1.0, 1.0, (args["proprio"],), np.float32)

    class Random(gymnasium.Env):
        """Gives the spaces; never stepped."""

        observation_space = gymnasium.spaces.Dict({**spaces, "proprio": proprio})
        action_space = gymnasium.spaces.Box(-1.0, 1.0, (args["action"],), np.float32)

    model = SAC("MultiInputPolicy", Random(), buffer_size=512, seed=0, device=args["device"])
    model.set_logger(Logger(None, []))
    buffer, rng = model.replay_buffer, np.random.default_rng(0)
    for stored in (buffer.observations, buffer.next_observations):
        for array in stored.values():
            random = rng.integers(0, 256, array.shape, np.uint8) if array.dtype == np.uint8 else rng.random(array.shape)
            array[...] = random
    buffer.actions[...] = rng.uniform(-1.0, 1.0, buffer.actions.shape)
    buffer.rewards[...] = rng.random(buffer.rewards.shape)
    buffer.full = True

    times: list[float] = []
    for _ in range(args["updates"] + 2):
        start = time.perf_counter()
        model.train(gradient_steps=1, batch_size=args["batch"])
        if args["device"] != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    print(json.dumps({"update_s": statistics.median(times[2:])}))


if __name__ == "__main__":
    main()
