"""Step gym-hil's PickCube with its own two 128x128 cameras, random actions; prints {"steps_per_s": median over blocks}."""
# pyright: reportMissingImports=false

import json
import statistics
import sys
import time

EMPTY_STD = 5.0
"""Drawn frames have a standard deviation of 20 and more."""


def main() -> None:
    """Measure; JSON argument: blocks, block (steps each)."""
    import gym_hil  # noqa: F401  (registers the env)
    import gymnasium

    args = {"blocks": 5, "block": 3, **json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}")}
    env = gymnasium.make("gym_hil/PandaPickCubeBase-v0", image_obs=True, max_episode_steps=10_000)
    obs, _ = env.reset(seed=0)
    env.action_space.seed(0)
    rates: list[float] = []
    for _ in range(args["blocks"] + 1):
        start = time.perf_counter()
        for _ in range(args["block"]):
            obs, *_ = env.step(env.action_space.sample())
        rates.append(args["block"] / (time.perf_counter() - start))
    if min(float(image.std()) for image in obs["pixels"].values()) < EMPTY_STD:
        sys.exit("the frames are empty: nothing was rendered, so the rate means nothing")
    print(json.dumps({"steps_per_s": statistics.median(rates[1:])}), flush=True)


if __name__ == "__main__":
    main()
