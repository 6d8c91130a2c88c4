"""Read an HDF5 file with robomimic's own SequenceDataset into an .npz; prints {"steps": n, "version": robomimic's}."""
# pyright: reportMissingImports=false

import importlib.metadata
import json
import sys
from typing import Any


def main() -> None:
    """Read; JSON argument: path (of the file), out (the .npz to write), keys (observations), mask (filter key or null)."""
    import numpy as np

    args = json.loads(sys.argv[1])
    from robomimic.utils import obs_utils
    from robomimic.utils.dataset import SequenceDataset

    pictures = [key for key in args["keys"] if key.startswith("pixels.")]
    numbers = [key for key in args["keys"] if key not in pictures]
    obs_utils.initialize_obs_utils_with_obs_specs([{"obs": {"rgb": pictures, "low_dim": numbers}}])
    dataset = SequenceDataset(
        args["path"],
        obs_keys=args["keys"],
        dataset_keys=["actions", "rewards", "dones"],
        filter_by_attribute=args.get("mask"),
        hdf5_cache_mode="low_dim",
        load_next_obs=True,
    )
    rows = [dataset[index] for index in range(len(dataset))]
    columns = {name: np.concatenate([row[name] for row in rows]) for name in ("actions", "rewards", "dones")}
    for group in ("obs", "next_obs"):
        columns |= {f"{group}/{key}": np.concatenate([row[group][key] for row in rows]) for key in args["keys"]}
    named: dict[str, Any] = {name.replace("/", "|"): values for name, values in columns.items()}
    np.savez(args["out"], **named)
    print(json.dumps({"steps": len(rows), "version": importlib.metadata.version("robomimic")}))


if __name__ == "__main__":
    main()
