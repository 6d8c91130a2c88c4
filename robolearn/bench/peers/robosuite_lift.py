"""Step stock robosuite Lift with two cameras, random actions; prints {"steps_per_s": median over blocks}.

The first process that imports robosuite compiles its Numba functions, and where that happens Mesa's software renderer
draws empty frames, ten times faster. So a child process fills Numba's cache first, and empty frames are an error.
"""
# pyright: reportMissingImports=false

import json
import statistics
import subprocess
import sys
import time

CAMERAS = ["agentview", "robot0_eye_in_hand"]
EMPTY_STD = 10.0
"""Drawn frames have a standard deviation of about 60."""


def main() -> None:
    """Measure; JSON argument: size (pixels), blocks, block (steps each)."""
    args = {"size": 84, "blocks": 6, "block": 5, **json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}")}
    if not args.get("warm"):
        words = [sys.executable, __file__, json.dumps({**args, "blocks": 0, "block": 1, "warm": True})]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    rates = measure(args["size"], args["blocks"], args["block"], check=not args.get("warm"))
    if rates:
        print(json.dumps({"steps_per_s": statistics.median(rates)}))


def measure(size: int, blocks: int, block: int, check: bool) -> list[float]:
    """Return steps per second of every block after a first one that does not count."""
    import numpy as np
    import robosuite

    env = robosuite.make(
        "Lift",
        robots="Panda",
        has_renderer=False,
        has_offscreen_renderer=True,
        use_camera_obs=True,
        camera_names=CAMERAS,
        camera_heights=size,
        camera_widths=size,
        control_freq=20,
        horizon=10_000,
    )
    obs = env.reset()
    low, high = env.action_spec
    rng = np.random.default_rng(0)
    rates: list[float] = []
    for _ in range(blocks + 1):
        start = time.perf_counter()
        for _ in range(block):
            obs, *_ = env.step(rng.uniform(low, high))
        rates.append(block / (time.perf_counter() - start))
    if check and min(float(obs[f"{name}_image"].std()) for name in CAMERAS) < EMPTY_STD:
        sys.exit("the frames are empty: nothing was rendered, so the rate means nothing")
    return rates[1:]


if __name__ == "__main__":
    main()
