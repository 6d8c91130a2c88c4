"""Read a LeRobot dataset with lerobot's own loader into an .npz; prints {"frames": n, "version": lerobot's}."""
# pyright: reportMissingImports=false

import importlib.metadata
import json
import sys
from collections.abc import Iterator
from typing import Any


def main() -> None:
    """Read; JSON argument: path (of the dataset), out (the .npz to write)."""
    import numpy as np

    args = json.loads(sys.argv[1])
    mend_torchvision()
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset("robolearn/converted", root=args["path"], video_backend="pyav")
    rows = [dataset[index] for index in range(len(dataset))]
    keys = [key for key, value in rows[0].items() if hasattr(value, "numpy")]
    columns: dict[str, Any] = {key: np.stack([row[key].numpy() for row in rows]) for key in keys}
    np.savez(args["out"], **columns)
    print(json.dumps({"frames": len(rows), "version": importlib.metadata.version("lerobot")}))


def mend_torchvision() -> None:
    """Make torchvision importable beside a CPU-only torch, and give it back the video reader that lerobot calls.

    Its compiled operators are built for CUDA, and registering them fails without; lerobot needs none of them.
    """
    import torch

    register = torch.library.register_fake
    torch.library.register_fake = lambda *_, **__: lambda function: function
    import torchvision

    torch.library.register_fake = register
    torchvision.io.VideoReader = VideoReader
    torchvision.set_video_backend = lambda _: None


class VideoReader:
    """What torchvision.io.VideoReader was with its backend `pyav`, as far as lerobot uses it."""

    def __init__(self, path: str, stream: str) -> None:
        """Open a file."""
        import av

        del stream
        self.container: Any = av.open(path)

    def seek(self, time_s: float, *, keyframes_only: bool) -> None:
        """Go to the last key frame before a time."""
        del keyframes_only
        stream = self.container.streams.video[0]
        self.container.seek(int(time_s / stream.time_base), stream=stream, backward=True)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield frames (3, H, W) with their times in s."""
        import torch

        for frame in self.container.decode(video=0):
            picture = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)
            yield {"data": picture, "pts": float(frame.pts * frame.time_base)}


if __name__ == "__main__":
    main()
