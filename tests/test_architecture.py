"""Who may import what: the table of layers, checked on the source, and what an import must not do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sources import ROOT, imports, modules

# Layer -> the layers of ours that it may import besides itself. "*" is every layer but cli.
LAYERS = {
    "core": "",
    "nn": "core",
    "replay": "core",
    "wire": "core",
    "safety": "core",
    "log": "core",
    "data": "core replay",
    "rewards": "core nn",
    "agents": "core nn rewards",
    "checkpoint": "core",
    "run": "core replay log wire checkpoint",
    "envs": "core safety",
    "hardware": "core wire safety",
    "config": "core",
    "configs": "",
    "bench": "*",
    "assembly": "*",
    "cli": "core data hardware log run assembly config bench",
}
# Package of others -> where it may be imported.
OUTSIDERS = {
    "hydra": "robolearn.cli robolearn.config",
    "omegaconf": "robolearn.cli robolearn.config",
    "mujoco": "robolearn.envs.sim robolearn.envs.tasks robolearn.envs.adapters robolearn.envs.visual robolearn.bench",
    "robosuite": "robolearn.envs.adapters robolearn.bench.peers",
    "dm_control": "robolearn.envs.adapters robolearn.bench.peers",
    "gym_hil": "robolearn.bench.peers",
    "stable_baselines3": "robolearn.bench.peers",
    "zmq": "robolearn.wire",
}
# Layers that run where there is no torch.
NO_TORCH = ["core", "safety", "wire", "data", "envs", "hardware", "log", "config", "cli"]


def layer_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "core"


def within(module: str, packages: str) -> bool:
    return any(module == p or module.startswith(f"{p}.") for p in packages.split())


def refused(module: str, name: str) -> bool:
    """Return whether `module` may not import `name`."""
    top, _, rest = name.partition(".")
    if top != "robolearn":
        torch_refused = top == "torch" and layer_of(module) in NO_TORCH
        return torch_refused or (top in OUTSIDERS and not within(module, OUTSIDERS[top]))
    here, there = layer_of(module), rest.split(".")[0] or "core"
    allowed = set(LAYERS) - {"cli"} if LAYERS[here] == "*" else {*LAYERS[here].split(), here}
    if here == "assembly":
        allowed -= {"bench"}
    return there not in allowed


def violations(module: str, path: Path) -> list[str]:
    place = path.relative_to(ROOT)
    return [
        f"{place}:{line}: {layer_of(module)} may not import {name}"
        for line, name in imports(path)
        if refused(module, name)
    ]


def test_every_layer_imports_only_what_the_table_allows():
    assert [v for module, path in modules().items() for v in violations(module, path)] == []


def test_every_folder_is_a_layer_of_the_table():
    assert {layer_of(module) for module in modules()} <= set(LAYERS)


@pytest.mark.parametrize(
    ("module", "name", "wrong"),
    [
        ("robolearn.core.specs", "robolearn.safety.limits", True),
        ("robolearn.envs.reach", "robolearn.hardware.bridge", True),
        ("robolearn.envs.sim.world", "mujoco", False),
        ("robolearn.envs.robot_env", "mujoco.egl", True),
        ("robolearn.run.train", "robolearn.agents.sac.agent", True),
        ("robolearn.run.train", "robolearn.replay.Replay", False),
        ("robolearn.agents.sac.agent", "torch.nn", False),
        ("robolearn.envs.tasks.reach", "torch", True),
        ("robolearn.assembly", "robolearn.bench.learn", True),
        ("robolearn.cli.train", "robolearn.agents.sac.agent", True),
        ("robolearn.run.config", "omegaconf.OmegaConf", True),
    ],
)
def test_the_table_refuses_what_the_design_refuses(module, name, wrong):
    assert refused(module, name) is wrong


PROBE = """
import importlib, json, os, sys, threading, time
start = time.process_time()
failed = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        failed[name] = str(error)
links = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{fd}")]
print(json.dumps({
    "cpu_s": time.process_time() - start,
    "threads": [t.name for t in threading.enumerate()],
    "sockets": [link for link in links if link.startswith("socket:")],
    "loaded": sorted({name.split(".")[0] for name in sys.modules}),
    "failed": failed,
}))
"""


def import_in_a_fresh_process(names: list[str]) -> dict:
    done = subprocess.run([sys.executable, "-c", PROBE, *names], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def of_layers(*layers: str) -> list[str]:
    return [name for name in modules() if layer_of(name) in layers]


def test_importing_any_module_starts_no_thread_and_opens_no_socket():
    names = [name for name in modules() if not within(name, "robolearn.bench.peers")]
    seen = import_in_a_fresh_process(names)
    assert seen["threads"] == ["MainThread"]
    assert seen["sockets"] == []
    assert seen["failed"] == {}


@pytest.mark.parametrize("layers", [("core", "safety"), ("wire", "hardware"), ("log",)], ids=str)
def test_robot_side_layers_load_no_learning_library(layers):
    loaded = import_in_a_fresh_process(of_layers(*layers))["loaded"]
    assert {"torch", "mujoco", "hydra", "omegaconf"} & set(loaded) == set()


def test_registering_the_envs_loads_neither_torch_nor_hydra_nor_mujoco():
    loaded = import_in_a_fresh_process(["robolearn.envs"])["loaded"]
    assert {"torch", "hydra", "mujoco"} & set(loaded) == set()


def test_core_and_safety_import_in_half_a_second():
    names = of_layers("core", "safety")
    assert min(import_in_a_fresh_process(names)["cpu_s"] for _ in range(3)) < 0.5
