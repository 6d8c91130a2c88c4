"""Step a stock dm_control task with one camera, random actions; prints {"steps_per_s": median over blocks}."""
# pyright: reportMissingImports=false

import json
import statistics
import sys
import time
from typing import Any


def main() -> None:
    """Measure; JSON argument: task (`<domain>-<task>`), size (pixels), blocks, block (steps each)."""
    import numpy as np
    from dm_control import manipulation, suite

    sizes = {"task": "walker-walk", "size": 84, "blocks": 5, "block": 20}
    args = {**sizes, **json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}")}
    domain, _, task = args["task"].partition("-")
    env: Any = manipulation.load(f"{task}_features", seed=0) if domain == "manipulation" else suite.load(domain, task)
    spec, rng = env.action_spec(), np.random.default_rng(0)
    env.reset()
    rates: list[float] = []
    for _ in range(args["blocks"] + 1):
        start = time.perf_counter()
        for _ in range(args["block"]):
            env.step(rng.uniform(spec.minimum, spec.maximum))
            env.physics.render(args["size"], args["size"], camera_id=0)
        rates.append(args["block"] / (time.perf_counter() - start))
    print(json.dumps({"steps_per_s": statistics.median(rates[1:])}))


if __name__ == "__main__":
    main()
