"""Other looks for an env: nothing but pictures changes, every draw is reported and repeats, and each fault of a camera is exact."""

from dataclasses import replace

import cv2
import gymnasium as gym
import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.envs.adapters.config import DmControlConfig, GymnasiumConfig, RobosuiteConfig
from robolearn.envs.adapters.view import FAST
from robolearn.envs.build import build_env
from robolearn.envs.config import WrappersConfig
from robolearn.envs.dress import make_env
from robolearn.envs.sim.render import CHEAP, Renderer
from robolearn.envs.sim.stage import Stage
from robolearn.envs.tasks.drawer import DrawerConfig
from robolearn.envs.tasks.pick_cube import PickCubeConfig
from robolearn.envs.tasks.reach import ReachConfig
from robolearn.envs.visual.clips import at, load_clips, make_movie
from robolearn.envs.visual.config import BackdropConfig, RandomisationConfig, VisualConfig, WebcamConfig

EVERYTHING = RandomisationConfig(
    colour=0.5, texture=0.5, light=0.5, light_turn=0.3, camera_shift=0.02, camera_turn=0.05, camera_fovy=3.0, props=4
)
EPISODE = {
    "ours": PickCubeConfig(image_size=32, observation="both"),
    "robosuite": RobosuiteConfig(image_size=32, observation="both", recompile=True),
    "dm_control": DmControlConfig(task="cartpole-swingup", image_size=32, observation="both"),
}


def dressed(cfg, **visual) -> gym.Env:
    return make_env(replace(cfg, wrappers=WrappersConfig(visual=VisualConfig(**visual))))


def stage_of(env: gym.Env) -> Stage:
    inner = env.unwrapped
    return inner.simulation.stage if hasattr(inner, "simulation") else inner.task.world.stage


def play(env: gym.Env, seed: int, steps: int = 4) -> list:
    obs, info = env.reset(seed=seed)
    plan = np.random.default_rng(0).uniform(-1.0, 1.0, (steps, *env.action_space.shape)).astype(np.float32)
    return [(obs, 0.0, info), *[(out[0], out[1], out[4]) for out in map(env.step, plan)]]


@pytest.mark.parametrize("name", EPISODE)
def test_randomised_looks_change_pictures_and_nothing_else_and_repeat_with_the_seed(name):
    bare, env = make_env(EPISODE[name]), dressed(EPISODE[name], randomisation=EVERYTHING)
    plain, seen, again, other = play(bare, 3), play(env, 3), play(env, 3), play(env, 4)
    pixels = [key for key in env.env_spec.obs if key.startswith("pixels/")]
    for (obs, reward, _), (changed, changed_reward, info) in zip(plain, seen, strict=True):
        assert reward == changed_reward
        assert info["visual"]["randomisation"]
        for key, value in obs.items():
            if key in pixels:
                assert np.abs(value.astype(int) - changed[key]).mean() > 2.0, key
            else:
                np.testing.assert_array_equal(value, changed[key])
    for (obs, _, _), (same, _, _), (another, _, _) in zip(seen, again, other, strict=True):
        for key in pixels:
            np.testing.assert_array_equal(obs[key], same[key])
            assert (obs[key] != another[key]).any()
    bare.close()
    env.close()


def test_what_is_reported_is_what_the_model_has_and_what_is_to_be_kept_stays():
    randomisation = RandomisationConfig(colour=1.0, light=0.4, camera_shift=0.05, camera_fovy=5.0, keep=["table_top"])
    cfg = PickCubeConfig(image_size=32)
    world = build_env(cfg).task.world
    names = [world.model.geom(index).name for index in range(world.model.ngeom)]
    randomisation = replace(randomisation, keep=[next(name for name in names if name)])
    env = dressed(cfg, randomisation=randomisation)
    _, info = env.reset(seed=1)
    drawn, model = info["visual"]["randomisation"], stage_of(env).model
    front = world.camera_id("front")
    np.testing.assert_allclose(model.cam_pos[front] - world.model.cam_pos[front], drawn["camera/front"][:3], atol=1e-12)
    assert model.cam_fovy[front] - world.model.cam_fovy[front] == pytest.approx(drawn["camera/front"][6])
    np.testing.assert_allclose(model.light_diffuse[0], world.model.light_diffuse[0] * drawn["light/0"], rtol=1e-5)
    kept = names.index(randomisation.keep[0])
    np.testing.assert_array_equal(model.geom_rgba[kept], world.model.geom_rgba[kept])
    coloured = [index for index, name in enumerate(names) if f"colour/{name or f'geom {index}'}" in drawn]
    assert len(coloured) > 5
    for index in coloured:
        np.testing.assert_allclose(
            model.geom_rgba[index, :3], drawn[f"colour/{names[index] or f'geom {index}'}"], rtol=1e-5
        )
    env.close()
    np.testing.assert_array_equal(model.geom_rgba, world.model.geom_rgba)
    np.testing.assert_array_equal(model.cam_pos, world.model.cam_pos)


def test_looks_drawn_every_step_differ_from_step_to_step():
    env = dressed(
        ReachConfig(image_size=32, cameras=["front"]), randomisation=RandomisationConfig(light=0.5, every="step")
    )
    reports = [info["visual"]["randomisation"]["light/0"].tolist() for _, _, info in play(env, 0)]
    assert len({tuple(report) for report in reports}) == len(reports)
    env.close()


@pytest.mark.parametrize("every", ["episode", "step"])
def test_a_snapshot_carries_looks_clips_and_camera_faults_into_another_env(every):
    visual = {
        "randomisation": replace(EVERYTHING, every=every, texture=0.0 if every == "step" else 0.5),
        "backdrop": BackdropConfig(source="plasma", change_every=3),
        "webcam": WebcamConfig(exposure=0.3, noise=4.0, delay=2, freeze=0.3, jpeg=50, blur=1.0, white_balance=0.1),
    }
    env, other = (dressed(PickCubeConfig(image_size=32), **visual) for _ in range(2))
    plan = np.random.default_rng(0).uniform(-1.0, 1.0, (8, 5)).astype(np.float32)
    env.reset(seed=1)
    for action in plan[:4]:
        env.step(action)
    saved = env.get_wrapper_attr("save")()
    expected = [env.step(action)[0] for action in plan[4:]]
    other.reset(seed=9)
    other.get_wrapper_attr("restore")(saved)
    for action, obs in zip(plan[4:], expected, strict=True):
        seen = other.step(action)[0]
        for key, value in obs.items():
            np.testing.assert_array_equal(seen[key], value, err_msg=key)
    env.close()
    other.close()


MASKED = {
    **{task: DmControlConfig(task=task, image_size=84) for task in ("walker-walk", "cheetah-run", "cartpole-swingup")},
    **{task: DmControlConfig(task=task, image_size=84) for task in ("reacher-easy", "hopper-hop", "finger-spin")},
    "pick_cube": PickCubeConfig(image_size=84),
    "drawer": DrawerConfig(image_size=84, cameras=["front"]),
}


@pytest.mark.parametrize("name", MASKED)
def test_the_backdrop_is_where_segmentation_says_that_nothing_is_drawn(name):
    env = dressed(MASKED[name], backdrop=BackdropConfig(source="noise"))
    stage = stage_of(env)
    for _ in play(env, 2):
        masks: dict[int, np.ndarray] = {}
        behind, stage.backdrop = (
            stage.backdrop,
            lambda camera, picture, empty, masks=masks: masks.setdefault(camera, empty),
        )
        env.unwrapped.observe()
        stage.backdrop = behind
        renderer = Renderer(stage, CHEAP if name in {"pick_cube", "drawer"} else FAST, 84, 84)
        for camera, empty in masks.items():
            renderer.update(stage.data, camera)
            drawn = renderer.drawn(stage.data, camera, 84, 84)
            assert (drawn != empty).mean() >= 0.999
            assert 0.02 < empty.mean() < 0.999
        renderer.close()
    env.close()


def test_a_window_shows_the_clip_in_the_middle_only_and_grey_is_grey():
    cfg = DmControlConfig(task="cartpole-swingup", image_size=64)
    dark = dressed(cfg, backdrop=BackdropConfig(source="noise", window=0.5, grey=True))
    picture = dark.reset(seed=0)[0]["pixels/fixed"]
    assert not picture[:8].any()
    corner = picture[18:24, 18:46]
    assert corner.std() > 20.0
    np.testing.assert_array_equal(corner[..., 0], corner[..., 2])
    dark.close()


def test_clips_change_when_they_are_to_and_each_half_of_them_has_its_own():
    env = dressed(
        ReachConfig(image_size=32, cameras=["front"]), backdrop=BackdropConfig(source="blobs", change_every=2)
    )
    shown = [info["visual"]["backdrop"] for _, _, info in play(env, 0, steps=9)]
    assert shown[0] == shown[1] != shown[2] == shown[3]
    env.close()
    train, test = (
        load_clips(BackdropConfig(source="blobs", split=split), 16, lambda _: None) for split in ("train", "test")
    )
    assert not any(np.array_equal(one, other) for one in train for other in test)


@pytest.mark.parametrize("kind", ["plasma", "blobs", "checkers", "noise"])
def test_procedural_clips_move_and_repeat_with_their_seed(kind):
    clip = make_movie(kind, 1, size=24, length=10)
    assert clip.shape == (10, 24, 24, 3)
    assert (clip[0] != clip[5]).any()
    np.testing.assert_array_equal(clip, make_movie(kind, 1, size=24, length=10))
    assert (clip != make_movie(kind, 2, size=24, length=10)).any()
    assert [at([clip[:3]], 0, moment)[0, 0, 0] for moment in range(6)] == [clip[i][0, 0, 0] for i in (0, 1, 2, 1, 0, 1)]


def test_other_episodes_of_the_env_itself_can_be_seen_behind_it():
    cfg = DmControlConfig(task="cartpole-swingup", image_size=32, max_steps=20)
    env = dressed(cfg, backdrop=BackdropConfig(source="agents"))
    obs = env.reset(seed=0)[0]["pixels/fixed"]
    assert obs.std() > 5.0
    env.close()


def test_a_folder_of_videos_is_split_and_what_cannot_be_read_is_named(tmp_path):
    for index, colour in enumerate((30, 90, 150, 210)):
        video = cv2.VideoWriter(str(tmp_path / f"{index}.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (48, 32))
        for _ in range(5):
            video.write(np.full((32, 48, 3), colour, np.uint8))
        video.release()
    for split, expected in (("train", [30, 150]), ("test", [90, 210])):
        clips = load_clips(BackdropConfig(source=str(tmp_path), split=split), 16, lambda _: None)
        assert [clip.shape for clip in clips] == [(5, 16, 16, 3)] * 2
        assert [round(float(clip.mean())) for clip in clips] == pytest.approx(expected, abs=3)
    (tmp_path / "4.mp4").write_bytes(b"no video")
    with pytest.raises(ConfigError, match=r"4\.mp4"):
        load_clips(BackdropConfig(source=str(tmp_path)), 16, lambda _: None)
    with pytest.raises(ConfigError, match="a folder of videos"):
        load_clips(BackdropConfig(source="plasna"), 16, lambda _: None)
    (empty := tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="2 videos or more"):
        load_clips(BackdropConfig(source=str(empty)), 16, lambda _: None)


def through(**faults) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return what is there and what is seen of it, step by step."""
    cfg = ReachConfig(image_size=48, cameras=["front"])
    bare, env = make_env(cfg), dressed(cfg, webcam=WebcamConfig(**faults))
    there, seen = play(bare, 1, 8), play(env, 1, 8)
    return [(a["pixels/front"], b["pixels/front"]) for (a, _, _), (b, _, _) in zip(there, seen, strict=True)]


def test_exposure_and_white_balance_are_gains_of_the_channels():
    for there, seen in through(exposure=0.4, white_balance=0.2):
        gains = [seen[..., c][there[..., c] > 60].sum() / there[..., c][there[..., c] > 60].sum() for c in range(3)]
        dark = there.max(axis=2) < 120
        ratio = seen[dark].astype(float) / np.maximum(there[dark], 1)
        assert len({round(gain, 2) for gain in gains}) > 1
        assert np.all(ratio < 1.4 * 1.2 + 0.02)


def test_noise_blur_and_compression_are_as_strong_as_asked_for():
    noise = np.concatenate(
        [(seen.astype(float) - there)[(there > 40) & (there < 215)] for there, seen in through(noise=5.0)]
    )
    assert noise.std() == pytest.approx(5.0, rel=0.1)
    for there, seen in through(blur=8.0)[:1]:
        assert (
            np.abs(np.diff(seen.astype(int), axis=0)).mean() < 0.9 * np.abs(np.diff(there.astype(int), axis=0)).mean()
        )
    rough, fine = ([np.abs(a.astype(int) - b).mean() for a, b in through(jpeg=quality)] for quality in (10, 95))
    assert np.mean(rough) > 2 * np.mean(fine) > 0.0


def test_a_delayed_picture_is_that_of_an_earlier_step_and_a_lost_one_is_seen_twice():
    pairs = through(delay=3)
    env = dressed(ReachConfig(image_size=48, cameras=["front"]), webcam=WebcamConfig(delay=3))
    delay = int(env.reset(seed=1)[1]["visual"]["webcam"]["front"][4])
    env.close()
    for step, (_, seen) in enumerate(pairs):
        np.testing.assert_array_equal(seen, pairs[max(step - delay, 0)][0])
    frozen = through(freeze=0.5)
    repeats = [np.array_equal(frozen[i][1], frozen[i - 1][1]) for i in range(1, len(frozen))]
    assert 0 < sum(repeats) < len(repeats)
    assert all(any(np.array_equal(seen, there) for there, _ in frozen[: i + 1]) for i, (_, seen) in enumerate(frozen))


def test_what_cannot_be_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"keep.*did you mean table"):
        dressed(ReachConfig(image_size=32), randomisation=RandomisationConfig(colour=0.1, keep=["tabel"]))
    with pytest.raises(ConfigError, match="draws its own"):
        dressed(GymnasiumConfig(id="Pendulum-v1"), randomisation=RandomisationConfig(colour=0.1))
    for wrong in ({"colour": 1.5}, {"props": -1}, {"every": "stpe"}, {"texture": 0.5, "every": "step"}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            RandomisationConfig(**wrong)
    for wrong in ({"window": 0.0}, {"split": "tset"}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            BackdropConfig(**wrong)
    with pytest.raises(ConfigError, match="jpeg"):
        WebcamConfig(jpeg=101)
