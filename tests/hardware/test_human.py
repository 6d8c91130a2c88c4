"""Devices by which a person takes over: a real terminal, and a mouse behind the interface of pyspacemouse."""

import os
import sys
import time
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.core.types import INTERVENED
from robolearn.envs.build import build_env
from robolearn.envs.tasks.reach import ReachConfig
from robolearn.envs.wrappers.intervention import InterventionWrapper
from robolearn.hardware.human.keyboard import Keyboard, KeyboardConfig
from robolearn.hardware.human.source import HumanConfig
from robolearn.hardware.human.spacemouse import SpaceMouse, SpaceMouseConfig


def make_env(**more):
    return build_env(ReachConfig(observation="state", action="xyz_yaw_gripper", **more))


@pytest.fixture
def terminal(monkeypatch):
    """Make a terminal the standard input; yield what types into it."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield lambda keys: (os.write(ours, keys.encode()), time.sleep(0.01))
    os.close(ours)


def test_keys_move_the_arm_in_the_policys_place_and_let_go_after_a_while(terminal):
    env = make_env()
    keyboard = Keyboard(KeyboardConfig(hold_s=0.2), env.env_spec.action)
    keyboard.open()
    taken = InterventionWrapper(env, keyboard)
    taken.reset(seed=0)
    away = np.array([-1.0, 0.0, 0.0, 0.0, 1.0], np.float32)
    assert not taken.step(away)[-1][INTERVENED]
    x = env.arms["arm"].state().pose_tool_in_base.position[0]
    terminal("w")
    assert taken.step(away)[-1][INTERVENED]
    assert env.arms["arm"].state().pose_tool_in_base.position[0] > x, "the person's way, not the policy's"
    time.sleep(0.16)
    held = keyboard.poll({})
    assert held is not None
    assert not held.action.any(), "in charge, and still"
    time.sleep(0.25)
    assert keyboard.poll({}) is None
    keyboard.close()


def test_keys_for_the_gripper_and_for_what_happened(terminal):
    keyboard = Keyboard(KeyboardConfig(gain=0.5), make_env().env_spec.action)
    keyboard.open()
    terminal("ac")
    wish = keyboard.poll({})
    assert wish.action.tolist() == [0.0, 0.5, 0.0, 0.0, -1.0]
    assert wish.mask.all()
    terminal("y n")
    assert keyboard.poll({}).mask.all(), "space holds"
    assert [event.name for event in keyboard.events()] == ["success", "failure"]
    assert keyboard.events() == []
    keyboard.close()


def test_the_gripper_stays_the_policys_until_the_person_uses_it(terminal):
    keyboard = Keyboard(KeyboardConfig(), make_env().env_spec.action)
    keyboard.open()
    terminal("q")
    wish = keyboard.poll({})
    assert wish.mask.tolist() == [True, True, True, True, False]
    assert wish.action.tolist() == [0.0, 0.0, 0.0, 1.0, 0.0]
    keyboard.close()


def test_without_a_terminal_there_is_no_keyboard(monkeypatch):
    with open(os.devnull) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(ConfigError, match="a terminal"):
            Keyboard(KeyboardConfig(), make_env().env_spec.action).open()


class Mouse:
    """Reports that come one at a time, as the library reads them."""

    def __init__(self):
        self.reports, self.gone, self.closed = [], False, False
        self.state = SimpleNamespace(t=-1.0, x=0.0, y=0.0, z=0.0, roll=0.0, pitch=0.0, yaw=0.0, buttons=[0, 0])

    def read(self):
        if self.gone:
            raise OSError("device disconnected")
        if self.reports:
            for name, value in {**self.reports.pop(0), "t": self.state.t + 1.0}.items():
                setattr(self.state, name, value)
        return self.state

    def close(self):
        self.closed = True


@pytest.fixture
def mouse(monkeypatch):
    mouse, module, types = Mouse(), ModuleType("pyspacemouse"), ModuleType("pyspacemouse.types")
    types.AxisConvention = SimpleNamespace(ROS="ros")
    module.open = lambda axis_convention: mouse
    monkeypatch.setitem(sys.modules, "pyspacemouse", module)
    monkeypatch.setitem(sys.modules, "pyspacemouse.types", types)
    return mouse


def make_mouse(**cfg):
    source = SpaceMouse(SpaceMouseConfig(**cfg), make_env().env_spec.action)
    source.open()
    return source


def test_a_mouse_is_taken_at_its_newest_report(mouse):
    source = make_mouse()
    assert source.poll({}) is None
    mouse.reports = [{"x": 0.01 * number} for number in range(60)] + [{"x": 0.5, "yaw": -1.2, "y": 0.05}]
    assert source.poll({}).action.tolist() == [0.5, 0.0, 0.0, -1.0, 0.0]
    mouse.reports = [{"x": 0.0, "yaw": 0.0, "buttons": [1, 0]}]
    assert source.poll({}).action.tolist() == [0.0, 0.0, 0.0, 0.0, -1.0]
    source.close()
    assert mouse.closed


def test_a_mouse_that_is_unplugged_leaves_the_policy_in_charge(mouse, caplog):
    source = make_mouse(hold_s=0.0)
    mouse.gone = True
    assert source.poll({}) is None
    assert source.poll({}) is None
    assert caplog.text.count("the mouse is gone") == 1


def test_what_cannot_take_over_says_why(mouse, monkeypatch):
    joints = build_env(ReachConfig(observation="state", robot="so101", action="joints_gripper")).env_spec.action
    with pytest.raises(ConfigError, match="translation_delta"):
        Keyboard(KeyboardConfig(), joints)
    with pytest.raises(ConfigError, match="an arm moved"):
        Keyboard(KeyboardConfig(arm="left"), make_env().env_spec.action)
    with pytest.raises(ConfigError, match="gain"):
        HumanConfig(gain=0.0)

    def nobody(axis_convention):
        raise RuntimeError("No connected or supported devices found.")

    monkeypatch.setattr(sys.modules["pyspacemouse"], "open", nobody)
    with pytest.raises(ConfigError, match="plugged in"):
        make_mouse()
    monkeypatch.setitem(sys.modules, "pyspacemouse", None)
    with pytest.raises(ConfigError, match="libhidapi"):
        make_mouse()
