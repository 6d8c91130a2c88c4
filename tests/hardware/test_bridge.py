"""Client and server over real loopback: an arm behind the bridge is a driver like any other, and every failure has a name."""

import time

import msgspec
import numpy as np
import pytest
from fakes import DOWN, FakeArm
from served import PERIOD_S, ServerThread

from robolearn import config
from robolearn.assembly.parts import make_remote_env
from robolearn.core.clock import WallClock
from robolearn.core.errors import CommandTimeoutError, ConfigError, DriverError, WireError
from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec
from robolearn.envs.remote import make_twin
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.tasks.reach import ReachConfig
from robolearn.hardware.bridge.client import RESTARTED, STALE, BridgeClient, ClientConfig, RemoteRobot
from robolearn.hardware.bridge.scene import RemoteScene
from robolearn.hardware.bridge.server import CameraAddressConfig, RobotServer, ServerConfig
from robolearn.safety import SafetyLimits, SupervisedRobot
from robolearn.wire.messages import Hello


@pytest.fixture
def server():
    running = ServerThread()
    yield running
    running.stop()


def pose(x: float, seq: int, **fields) -> RobotCommand:
    target = np.array([x, 0.0, 0.4, *DOWN])
    return RobotCommand(mode=CommandMode.POSE, target=target, seq=seq, **fields)


def remote_env(client) -> RobotEnv:
    action = ActionSpec((ActionPart(arm="arm", kind=ActionKind.TRANSLATION_DELTA, size=3, scale=0.04),))
    return RobotEnv(
        arms={name: RemoteRobot(client, name) for name in client.welcome.arms},
        cameras={},
        task=RemoteScene(client),
        action=action,
        clock=WallClock(PERIOD_S),
        max_steps=20,
        proprio=("position",),
    )


def wait(condition, seconds=2.0):
    end, found = time.monotonic() + seconds, condition()
    while not found and time.monotonic() < end:
        time.sleep(0.01)
        found = condition()
    return found


def test_an_arm_behind_the_bridge_is_a_driver_like_any_other(server):
    client = server.client(name="alice")
    assert abs(client.offset_ns) < 5e6
    with RemoteRobot(client, "arm") as robot:
        assert robot.spec == server.arm.spec
        assert robot.state().applied is None
        robot.command(pose(0.52, seq=1, gripper=0.3))
        assert wait(lambda: (state := robot.state()).applied is not None and state.applied.seq == 1)
        state = robot.state()
        np.testing.assert_allclose(state.applied.target[:3], [0.52, 0.0, 0.4], atol=1e-9)
        assert state.clock_id == "monotonic"
        assert time.monotonic_ns() - state.stamp_ns < 1e9
        assert wait(lambda: abs(robot.state().pose_tool_in_base.position[0] - 0.52) < 1e-3)
        robot.stop()
        assert wait(lambda: robot.state().applied is None)
        robot.reset(np.array([0.3, 0.1, 0.4]))
        np.testing.assert_allclose(robot.state().q, [0.3, 0.1, 0.4], atol=0.01)
        assert client.states().arms["arm"].holder == "alice"
    assert wait(lambda: client.states().arms["arm"].holder == "")
    client.close()


def test_the_env_runs_over_the_bridge_and_counts_only_what_was_accepted(server):
    client = server.client()
    env = remote_env(client)
    obs, _ = env.reset(seed=3)
    assert server.scene.seeds == [3]
    assert client.states().episode == 1
    start = obs["proprio/arm.position"].copy()
    for _ in range(10):
        obs, _, terminated, truncated, info = env.step(np.array([0.5, 0.0, 0.0], np.float32))
        assert not terminated
        assert not truncated
        np.testing.assert_allclose(info["executed_action"], [0.5, 0.0, 0.0], atol=1e-5)
        assert 0.0 <= info["age/arm_s"] < 0.2
    assert obs["proprio/arm.position"][0] - start[0] == pytest.approx(0.2, abs=0.05)
    server.scene.solved = True
    _, reward, terminated, _, info = env.step(np.zeros(3, np.float32))
    assert (reward, terminated, info["success"]) == (1.0, True, True)
    env.close()
    client.close()


def test_a_second_client_is_refused_by_name_but_may_stop_the_arm(server):
    one, two = server.client(name="alice"), server.client(name="bob")
    with RemoteRobot(one, "arm") as robot:
        robot.command(pose(0.55, seq=1, valid_for_s=5.0))
        assert wait(lambda: robot.state().applied is not None)
        with pytest.raises(DriverError, match="alice"):
            RemoteRobot(two, "arm").__enter__()
        RemoteRobot(two, "arm").stop()
        assert wait(lambda: one.states().arms["arm"].stopped_by == "asked")
    one.close()
    two.close()


def test_late_duplicated_and_foreign_commands_move_nothing_and_are_counted(server):
    client = server.client(deadline_s=0.05)
    with RemoteRobot(client, "arm") as robot:
        robot.command(pose(0.5, seq=5))
        assert wait(lambda: robot.state().applied is not None)
        robot.command(pose(0.9, seq=5))
        client.offset_ns -= 10**9
        robot.command(pose(0.9, seq=6))
        client.offset_ns += 10**9
        assert wait(lambda: client.states().arms["arm"].rejected == {"seq": 1, "late": 1})
        assert robot.state().applied.seq == 5
    client.close()


def test_nonsense_latches_and_only_a_reset_of_faults_clears_it(server):
    client = server.client()
    with RemoteRobot(client, "arm") as robot:
        robot.command(RobotCommand(mode=CommandMode.POSE, target=np.full(7, np.nan), seq=1))
        assert wait(lambda: "non_finite" in robot.state().faults)
        with pytest.raises(DriverError, match="non_finite"):
            robot.reset()
        robot.reset_faults()
        robot.reset()
        assert robot.state().faults == ()
    client.close()


def test_a_server_that_falls_silent_or_comes_back_is_a_fault_with_a_name():
    first = ServerThread()
    client = first.client(state_s=0.15)
    robot = RemoteRobot(client, "arm").__enter__()
    first.stop()
    assert wait(lambda: STALE in robot.state().faults)
    again = ServerThread(*first.endpoints)
    try:
        assert wait(lambda: RESTARTED in robot.state().faults, 5.0)

        def refused():
            robot.command(pose(0.9, seq=1))  # dropped until both sockets have found the server again
            return set(client.states().arms["arm"].rejected) == {"session"}

        assert wait(refused)
        robot.reset()
        assert robot.state().faults == ()
        robot.command(pose(0.5, seq=2))
        assert wait(lambda: robot.state().applied is not None)
        robot.__exit__(None, None, None)
    finally:
        again.stop()
        client.close()


def test_no_server_another_version_or_an_unknown_arm_are_said_plainly(server):
    with pytest.raises(CommandTimeoutError, match="is the robot server running"):
        BridgeClient(ClientConfig(commands="tcp://127.0.0.1:9", states="tcp://127.0.0.1:9", answer_s=0.3))
    client = server.client()
    with pytest.raises(ConfigError, match="did you mean arm"):
        RemoteRobot(client, "amr")
    with pytest.raises(DriverError, match="version 3"):
        client.request(lambda number: Hello(id=number, protocol=999, client="of another version"))
    client.close()


def test_a_robot_without_a_scene_says_so():
    running = ServerThread(scene=False)
    try:
        client = running.client()
        with pytest.raises(ConfigError, match="a twin"):
            RemoteScene(client)
        client.close()
    finally:
        running.stop()


def test_garbage_on_the_socket_is_counted_and_stops_nobody(server):
    client = server.client()
    with RemoteRobot(client, "arm") as robot:
        for junk in (b"", b"\xff" * 100, b"{}", bytes(60_000)):
            client._ask.send(junk)
        client._ask.send_multipart([b"two", b"frames"])
        assert wait(lambda: client.states().damaged == 5)
        robot.command(pose(0.5, seq=1))
        assert wait(lambda: robot.state().applied is not None)
    client.close()
    with pytest.raises(WireError, match="at most"):
        client._decode(bytes(10**6))


def test_a_command_is_answered_between_ticks(server):
    """The server ticks every 10 ms; a state that echoes a command comes at once."""
    client, waits = server.client(), []
    with RemoteRobot(client, "arm") as robot:
        for seq in range(1, 31):
            time.sleep(PERIOD_S - 0.0027)
            start = time.perf_counter()
            robot.command(pose(0.5, seq=seq))
            assert robot.wait_for_command(seq).command_seq == seq
            waits.append(time.perf_counter() - start)
        client.cfg.answer_s = 0.2
        with pytest.raises(CommandTimeoutError, match="states"):
            robot.wait_for_command(1_000)
    client.close()
    assert sorted(waits)[15] < 0.004


def test_a_client_whose_connection_broke_still_holds_its_arm(server):
    client = server.client()
    with RemoteRobot(client, "arm") as robot:
        robot.command(pose(0.5, seq=1))
        robot.wait_for_command(1)
        client._ask.disconnect(client.cfg.commands)
        time.sleep(0.1)
        client._ask.connect(client.cfg.commands)
        assert wait(lambda: robot.command(pose(0.5, seq=2)) or robot.state().applied.seq == 2)
    client.close()


def test_the_last_state_of_a_dead_server_is_stale_to_a_client_that_slept():
    running = ServerThread()
    client = running.client(state_s=0.15)
    robot = RemoteRobot(client, "arm").__enter__()
    time.sleep(0.1)
    running.stop()
    time.sleep(0.2)
    assert STALE in robot.state().faults
    client.close()


def test_an_env_goes_on_after_its_server_was_restarted():
    """A twin is made up with by its scene, and gives all of its arms back to whoever had them."""
    first = ServerThread(arms=("arm", "other"))
    client = first.client()
    env = remote_env(client)
    env.reset(seed=1)
    env.step(np.zeros(3, np.float32))
    first.stop()
    again = ServerThread(*first.endpoints, arms=("arm", "other"))
    try:
        env.reset(seed=2)
        assert len(again.scene.seeds) == 1
        assert {arm.holder for arm in client.states().arms.values()} == {"client"}
        _, _, _, truncated, info = env.step(np.zeros(3, np.float32))
        assert (truncated, info["faults"]) == (False, ())
        env.close()
    finally:
        again.stop()
        client.close()


def test_each_arm_is_acquired_anew_after_a_restart():
    first = ServerThread(arms=("arm", "other"))
    client = first.client()
    robots = [RemoteRobot(client, name).__enter__() for name in ("arm", "other")]
    first.stop()
    again = ServerThread(*first.endpoints, arms=("arm", "other"))
    try:
        for robot in robots:
            robot.reset()
            robot.command(pose(0.5, seq=1))
            assert robot.wait_for_command(1).holder == "client"
    finally:
        again.stop()
        client.close()


def test_another_arm_by_the_same_name_is_not_taken_for_the_one_of_before(server):
    client = server.client()
    with RemoteRobot(client, "arm") as robot:
        robot._spec = msgspec.structs.replace(robot.spec, q_home=(0.0, 0.0, 0.4))
        robot._session += 1
        with pytest.raises(DriverError, match="the arm of before"):
            robot.reset()
    client.close()


def test_a_twin_begins_episodes_again_after_it_was_restarted():
    first = TwinThread()
    client = BridgeClient(ClientConfig(commands=first.endpoints[0], states=first.endpoints[1]))
    arms = {name: RemoteRobot(client, name).__enter__() for name in client.welcome.arms}
    scene, rng = RemoteScene(client), np.random.default_rng(0)
    scene.reset(arms, rng, {})
    first.stop()
    again = TwinThread(*first.endpoints)
    try:
        scene.reset(arms, rng, {})
        assert client.states().episode == 1
        assert [arm.state().faults for arm in arms.values()] == [()]
    finally:
        again.stop()
        client.close()


class TwinThread(ServerThread):
    """A twin that runs until it is stopped."""

    def _run(self) -> None:
        cfg = self.args[0]
        twin = make_twin(ReachConfig(observation="state"), 30.0)
        with RobotServer(twin.arms, twin.clock, cfg, twin.scene, twin.cameras) as self.server:
            self.endpoints = self.server.endpoints
            self.ready.set()
            self.server.run(self.stopping.is_set)


def test_clocks_are_compared_again_before_every_reset(server):
    client = server.client()
    with RemoteRobot(client, "arm") as robot:
        ways = (robot.reset, robot.reset_faults, lambda: RemoteScene(client).reset({}, np.random.default_rng(0), {}))
        for way in ways:
            client.offset_ns += 10**9
            way()
            assert abs(client.offset_ns) < 5e6
    client.close()


def test_an_answer_that_does_not_come_says_how_long_it_was_waited_for(server):
    client = server.client(reset_s=0.15)
    with RemoteRobot(client, "arm") as robot, pytest.raises(CommandTimeoutError, match=r"in 0\.15 s"):
        robot.reset(np.array([-1.0, 0.0, 0.4]))
    client.close()


def test_an_env_of_another_rate_than_the_servers_limits_is_refused(server):
    client = server.client()
    client.require_rate(20.0)
    with pytest.raises(ConfigError, match="expected 20 Hz, got 10 Hz"):
        client.require_rate(10.0)
    client.close()


def test_cameras_elsewhere_are_told_by_addresses_that_a_client_reaches():
    cfg = config.compose(
        "robot_server", ["robot=mock", "+cameras={front: {endpoint: 'tcp://0.0.0.0:5670', width: 64}}"]
    )
    assert cfg.cameras == {"front": CameraAddressConfig(endpoint="tcp://0.0.0.0:5670", height=84, width=64)}
    running = ServerThread(elsewhere=cfg.cameras)
    client = running.client()
    running.stop()
    client.close()
    told = client.welcome.cameras["front"]
    assert (told.endpoint, told.height, told.width) == ("tcp://127.0.0.1:5670", 84, 64)


class Unwilling(FakeArm):
    """Cannot be entered, or left."""

    def __init__(self, *args, enters: bool, **fields) -> None:
        super().__init__(*args, **fields)
        self.enters = enters

    def __enter__(self):
        if not self.enters:
            raise DriverError("arm", expected="a device", got="none")
        return super().__enter__()

    def __exit__(self, *error) -> None:
        raise DriverError("arm", expected="to be left", got="no answer")


@pytest.mark.parametrize("enters", [False, True])
def test_a_server_whose_driver_fails_leaves_no_socket_open_and_no_driver_entered(server, enters):
    server.stop()
    clock = WallClock(PERIOD_S)
    arms = [FakeArm(clock, name="good"), Unwilling(clock, name="bad", enters=enters)]
    robots = {arm.spec.name: SupervisedRobot(arm, SafetyLimits(), clock) for arm in arms}
    cfg = ServerConfig(commands=server.endpoints[0], states=server.endpoints[1])
    with pytest.raises(DriverError, match="no answer" if enters else "a device"):
        RobotServer(robots, clock, cfg).close()
    assert arms[0].entered == 0
    ServerThread(*server.endpoints).stop()


def test_what_a_stale_picture_leads_to_is_up_to_the_client(server):
    client = server.client(stale_frames="trunkate")
    with pytest.raises(ConfigError, match="truncate"):
        make_remote_env(ReachConfig(observation="state", rate_hz=20.0), client, pause_s=0.0)
    client.close()
