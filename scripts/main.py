"""The `robolearn` command: `robolearn <verb> [overrides]`."""

import importlib
import logging
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.logging import RichHandler

from robolearn import config
from robolearn.core.errors import RobolearnError, nearest

VERBS = {
    "train": "train a policy:              robolearn train env=pick_cube agent=sac seed=3",
    "learner": "learn from what actors do:   robolearn learner env=pick_cube agent=sac",
    "actor": "act for a learner:           robolearn actor name=left learner.steps=tcp://10.0.0.5:5660",
    "evaluate": "evaluate a trained policy:   robolearn evaluate run=runs/pick_cube_sac_3 episodes=100",
    "record": "record demonstrations:       robolearn record env=pick_cube episodes=20",
    "convert": "convert demonstrations:      robolearn convert source=demos/pick_cube.hdf5 out=demos/pick_cube_lerobot",
    "robot_server": "own a robot:                 robolearn robot_server robot=twin env=pick_cube",
    "camera_server": "publish a camera:            robolearn camera_server camera.device=0 camera.name=front",
    "deploy": "run a policy on a robot:     robolearn deploy run=runs/pick_cube_sac_3 episodes=10",
    "clear": "clear a robot's faults:      robolearn clear client.commands=tcp://10.0.0.7:5650 client.states=tcp://10.0.0.7:5651",
    "keys": "make keys for a bridge:      robolearn keys name=server",
    "doctor": "say what is wrong:           robolearn doctor server=true",
    "chaos": "a bad network on purpose:    robolearn chaos to_server.drop=0.1",
    "show": "look at a demonstration file or a task: robolearn show demos/pick_cube.hdf5, robolearn show env=push",
    "bench": "measure:                     robolearn bench env|replay|sac|learn",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; return the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    console = Console(stderr=True)
    if not words or words[0] in ("-h", "--help", "help"):
        print("usage: robolearn <verb> [overrides]\n")
        print("\n".join(f"  {verb:13s} {text}" for verb, text in VERBS.items()))
        return 0
    logging.basicConfig(
        level=logging.INFO, format="%(message)s", handlers=[RichHandler(console=console, show_path=False)]
    )
    verb, *rest = words
    try:
        if verb not in VERBS:
            raise RobolearnError("verb", expected="a known verb", got=verb, fix=nearest(verb, VERBS))
        module = importlib.import_module(f"robolearn.cli.{verb}")
        if {"-h", "--help"} & {*rest}:
            print(f"{module.__doc__}\n{config.describe(verb)}")
            return 0
        return module.main(rest)
    except RobolearnError as error:
        console.print(f"[bold red]{type(error).__name__}[/] {error}", highlight=False, soft_wrap=True)
        return 2


if __name__ == "__main__":
    sys.exit(main())
