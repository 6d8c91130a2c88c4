"""Randomised appearance of a MuJoCo scene: colours, textures, lights, cameras, and shapes that stand around."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from robolearn.core.errors import ConfigError, nearest
from robolearn.core.geometry import Pose, Vector, quat_from_rotvec, quat_multiply, quat_rotate
from robolearn.core.types import Action, Obs
from robolearn.envs.sim.stage import SHAPES, Prop, Stage
from robolearn.envs.visual.config import RandomisationConfig
from robolearn.envs.visual.patterns import pattern
from robolearn.envs.visual.wrapper import VisualWrapper

_FIELDS = (
    "mat_rgba",
    "geom_rgba",
    "light_ambient",
    "light_diffuse",
    "light_dir",
    "light_dir0",
    "cam_pos",
    "cam_pos0",
    "cam_poscom0",
    "cam_quat",
    "cam_mat0",
    "cam_fovy",
)
"""What is changed of a model, beside its textures."""
_PROP_SIZE = 0.03, 0.12
"""Half lengths of props, as shares of the scene's extent."""
_PROP_RING = 0.5, 1.3
"""Horizontal distance of props from the scene's centre, as shares of its extent."""
_CLEARANCE = 0.2
"""Between a prop and the line from a camera to the scene's centre, as a share of the extent."""
_TRIES = 30


class Looks:
    """Some fields of one model as it was compiled, from which every draw starts."""

    def __init__(self, model: mujoco.MjModel, fields: Sequence[str]) -> None:
        self.model = model
        self._original = {name: np.array(getattr(model, name)) for name in fields}
        self._headlight = np.array([model.vis.headlight.ambient, model.vis.headlight.diffuse])

    def restore(self) -> None:
        """Put everything back as it was compiled."""
        for name, value in self._original.items():
            getattr(self.model, name)[...] = value
        self.model.vis.headlight.ambient, self.model.vis.headlight.diffuse = self._headlight


class VisualRandomisation(VisualWrapper):
    """Draws other looks for every episode, or every step; physics, rewards and state stay as they are.

    `info["visual"]["randomisation"]` reports the draw: colours (r, g, b), gains, shifts in m, turns in rad, degrees of view.

    Args:
        env: What to wrap; the wrapper must be the innermost that changes observations.
        stage: How the env's simulation looks.
        cameras: The cameras that are shifted and turned, by name and number.
        cfg: How far.

    Raises:
        ConfigError: If a name in `cfg.keep` is unknown.
    """

    name = "randomisation"

    def __init__(
        self, env: gym.Env[Obs, Action], stage: Stage, cameras: Mapping[str, int], cfg: RandomisationConfig
    ) -> None:
        super().__init__(env)
        self._stage, self._cameras, self._cfg = stage, dict(cameras), cfg
        self._fields = (*_FIELDS, "tex_data") if cfg.texture else _FIELDS
        self._looks = Looks(stage.model, self._fields)
        names = {*_names(stage.model, "mat"), *_names(stage.model, "geom")} - {""}
        for name in cfg.keep:
            if name not in names:
                fix = nearest(name, names)
                raise ConfigError("env.wrappers.visual.randomisation.keep", expected="a geom", got=name, fix=fix)

    @override
    def draw(self, rng: np.random.Generator, first: bool) -> dict[str, Any] | None:
        if not (first or self._cfg.every == "step"):
            return None
        if self._looks.model is not self._stage.model:
            self._looks = Looks(self._stage.model, self._fields)
        self._looks.restore()
        drawn = self._draw_colours(rng) | self._draw_lights(rng) | self._draw_cameras(rng)
        self._stage.props = tuple(self._draw_props(rng))
        self._stage.changed(*self._paint(rng))
        props = [[*prop.pose.position, *prop.size, *prop.colour] for prop in self._stage.props]
        return drawn | ({"props": np.array(props)} if props else {})

    @override
    def refresh(self, obs: Obs) -> Obs:
        return self.env.get_wrapper_attr("observe")()

    @override
    def close(self) -> None:
        self._looks.restore()
        super().close()

    def _draw_colours(self, rng: np.random.Generator) -> dict[str, Any]:
        model, share = self._stage.model, self._cfg.colour
        if share == 0.0:
            return {}
        drawn: dict[str, Any] = {}
        for kind, table in (("mat", model.mat_rgba), ("geom", model.geom_rgba)):
            for index, name in enumerate(_names(model, kind)):
                mixed = (1.0 - share) * table[index, :3] + share * rng.uniform(size=3)
                if name in self._cfg.keep or (kind == "geom" and model.geom_matid[index] >= 0):
                    continue
                table[index, :3] = mixed
                drawn[f"colour/{name or f'{kind} {index}'}"] = mixed
        return drawn

    def _draw_lights(self, rng: np.random.Generator) -> dict[str, Any]:
        model, cfg = self._stage.model, self._cfg
        drawn: dict[str, Any] = {}
        for index in range(model.nlight):
            gain, turn = 1.0 + cfg.light * rng.uniform(-1, 1, 3), _turn(rng, cfg.light_turn)
            model.light_diffuse[index] *= gain
            model.light_ambient[index] *= gain
            for directions in (model.light_dir, model.light_dir0):
                directions[index] = quat_rotate(turn, np.array(directions[index], np.float64))
            drawn[f"light/{index}"] = gain
        headlight = 1.0 + cfg.light * rng.uniform(-1, 1)
        model.vis.headlight.diffuse = np.array(model.vis.headlight.diffuse) * headlight
        model.vis.headlight.ambient = np.array(model.vis.headlight.ambient) * headlight
        return drawn | {"light/head": headlight} if cfg.light else {}

    def _draw_cameras(self, rng: np.random.Generator) -> dict[str, Any]:
        model, cfg = self._stage.model, self._cfg
        drawn: dict[str, Any] = {}
        for name, index in self._cameras.items():
            shift, rotvec = cfg.camera_shift * rng.uniform(-1, 1, 3), cfg.camera_turn * rng.uniform(-1, 1, 3)
            wider = cfg.camera_fovy * rng.uniform(-1, 1)
            for positions in (model.cam_pos, model.cam_pos0, model.cam_poscom0):
                positions[index] += shift
            turn, matrix = quat_from_rotvec(rotvec), np.empty(9)
            mujoco.mju_quat2Mat(matrix, turn)
            model.cam_quat[index] = quat_multiply(np.array(model.cam_quat[index]), turn)
            model.cam_mat0[index] = (model.cam_mat0[index].reshape(3, 3) @ matrix.reshape(3, 3)).ravel()
            model.cam_fovy[index] = np.clip(model.cam_fovy[index] + wider, 1.0, 170.0)
            if cfg.camera_shift or cfg.camera_turn or cfg.camera_fovy:
                drawn[f"camera/{name}"] = np.array([*shift, *rotvec, wider])
        return drawn

    def _paint(self, rng: np.random.Generator) -> list[int]:
        """Mix random patterns into the textures of what is drawn, and return which."""
        model, share = self._stage.model, self._cfg.texture
        if share == 0.0:
            return []
        kept = [i for i, name in enumerate(_names(model, "mat")) if name in self._cfg.keep]
        used = set(model.mat_texid.ravel().tolist()) - set(model.mat_texid[kept].ravel().tolist()) - {-1}
        for texture in sorted(used):
            height, width, channels = (
                int(table[texture]) for table in (model.tex_height, model.tex_width, model.tex_nchannel)
            )
            start = int(model.tex_adr[texture])
            texels = model.tex_data[start : start + height * width * channels].reshape(height, width, channels)
            painted = pattern(rng, height, width)
            texels[..., :3] = ((1.0 - share) * texels[..., :3] + share * painted[..., : min(channels, 3)]).astype(
                np.uint8
            )
        return sorted(used)

    def _draw_props(self, rng: np.random.Generator) -> list[Prop]:
        centre, extent = np.array(self._stage.model.stat.center), float(self._stage.model.stat.extent)
        eyes = [self._stage.model.cam_pos0[i] for i in self._cameras.values() if self._stage.model.cam_bodyid[i] == 0]
        props: list[Prop] = []
        for _ in range(self._cfg.props):
            size = extent * rng.uniform(*_PROP_SIZE, 3)
            for _ in range(_TRIES):
                angle, reach = rng.uniform(-np.pi, np.pi), extent * rng.uniform(*_PROP_RING)
                height = extent * rng.uniform(-0.5, 0.5)
                position = centre + np.array([reach * np.cos(angle), reach * np.sin(angle), height])
                room = _CLEARANCE * extent + float(np.linalg.norm(size))
                if all(_distance(position, eye, centre) > room for eye in eyes):
                    shape = tuple(SHAPES)[int(rng.integers(len(SHAPES)))]
                    pose = Pose(position, _turn(rng, np.pi))
                    sizes, colour = (tuple(float(x) for x in three) for three in (size, rng.uniform(size=3)))
                    props.append(Prop(shape=shape, size=sizes, pose=pose, colour=colour))  # type: ignore[arg-type]
                    break
        return props


def _names(model: mujoco.MjModel, kind: str) -> list[str]:
    count = model.nmat if kind == "mat" else model.ngeom
    return [getattr(model, kind)(index).name for index in range(count)]


def _turn(rng: np.random.Generator, largest: float) -> Vector:
    return quat_from_rotvec(largest * rng.uniform(-1, 1, 3))


def _distance(point: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]) -> float:
    """Return how far a point is from the line between two others, m."""
    along = end - start
    share = float(np.clip((point - start) @ along / max(float(along @ along), 1e-12), 0.0, 1.0))
    return float(np.linalg.norm(point - (start + share * along)))
