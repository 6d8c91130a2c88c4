"""The mirror image of an episode: left and right change places, and every step stays one that could have happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError
from robolearn.core.specs import ActionKind, ActionPart, EnvSpec, Frame
from robolearn.core.types import INTENDED, PIXELS, PROPRIO, Action, Array, Obs, Step

Signs = tuple[int, ...]

_POLAR = (1, -1, 1)
"""Of positions and translations in the axes of a base."""
_AXIAL = (-1, 1, -1)
"""Of rotations in the axes of a base."""
_PARTS: Mapping[tuple[ActionKind, Frame], Signs] = {
    (ActionKind.TRANSLATION_DELTA, Frame.BASE): _POLAR,
    (ActionKind.ROTATION_DELTA, Frame.BASE): _AXIAL,
    (ActionKind.TRANSLATION_DELTA, Frame.TOOL): (-1, 1, 1),
    (ActionKind.ROTATION_DELTA, Frame.TOOL): (1, -1, -1),
    (ActionKind.YAW_DELTA, Frame.BASE): (-1,),
    (ActionKind.YAW_DELTA, Frame.TOOL): (-1,),
    (ActionKind.GRIPPER, Frame.BASE): (1,),
    (ActionKind.GRIPPER, Frame.TOOL): (1,),
}
_FEATURES: Mapping[str, Signs] = {
    "position": _POLAR,
    "setpoint_error": _POLAR,
    "yaw": (1, -1),
    "rotation_6d": (-1, 1, -1, 1, -1, 1),
    "twist": (*_POLAR, *_AXIAL),
    "wrench": (*_POLAR, *_AXIAL),
    "gripper": (1,),
    "gripper_speed": (1,),
}
_SIDES = {"left": "right", "right": "left"}


@dataclass(frozen=True, slots=True)
class _Image:
    """Where a value of the mirror image comes from: another key, and its signs."""

    key: str
    signs: NDArray[np.float32]


class Mirror:
    """The reflection of an env in the x-z plane of its arms' bases; applied twice, it changes nothing.

    The tool becomes its mirror image with the x axis turned round, which is that of a gripper that opens along x and looks the
    same from both sides. Arms named `left` and `right` change places. It is exact where the scene, the cameras and what the
    task asks for are the same on both sides; the joints of the arm need not be, as long as nothing observes them.
    """

    def __init__(self, spec: EnvSpec) -> None:
        """Find the mirror image of everything in `spec`.

        Raises:
            ConfigError: Naming what has none that is known: joint angles, quaternions, privileged state.
        """
        self._pixels = {key: _partner(key) for key in spec.pixel_keys}
        self._vectors = {key: _Image(_partner(key), _feature_signs(key)) for key in spec.vector_keys}
        missing = sorted({*self._pixels.values(), *(image.key for image in self._vectors.values())} - set(spec.obs))
        if missing:
            raise ConfigError(
                "mirror", expected=f"the other side of every arm: {', '.join(missing)}", got=sorted(spec.obs)
            )
        signs = np.concatenate([_part_signs(part) for part in spec.action.parts])
        slices = spec.action.slices
        order = np.arange(spec.action.size)
        self._order = np.concatenate([order[slices[_partner(part.name)]] for part in spec.action.parts])
        self._signs = signs.astype(np.float32)

    def obs(self, obs: Obs) -> Obs:
        """Return the mirror image of an observation; leading dims are kept."""
        image: dict[str, Array] = {
            key: np.ascontiguousarray(obs[source][..., ::-1, :]) for key, source in self._pixels.items()
        }
        for key, source in self._vectors.items():
            image[key] = np.multiply(obs[source.key], source.signs)
        return image

    def action(self, action: Action) -> Action:
        """Return the action (..., A) that does the same on the other side."""
        return action[..., self._order] * self._signs

    def steps(self, steps: Sequence[Step]) -> list[Step]:
        """Return the mirror images of rows of replay."""
        return [self._step(step) for step in steps]

    def _step(self, step: Step) -> Step:
        extra = dict(step.extra)
        if INTENDED in extra:
            extra[INTENDED] = self.action(extra[INTENDED].astype(np.float32))
        return replace(step, obs=self.obs(step.obs), action=self.action(step.action), extra=extra)


def _partner(name: str) -> str:
    """Return a key or part name with the arm of the other side, if its arm is on one: `pixels/left_wrist`, `left.gripper`."""
    prefix = next((known for known in (PIXELS, PROPRIO) if name.startswith(known)), "")
    rest = name.removeprefix(prefix)
    for side, other in _SIDES.items():
        if rest.startswith((f"{side}.", f"{side}_")):
            return prefix + other + rest.removeprefix(side)
    return name


def _feature_signs(key: str) -> NDArray[np.float32]:
    signs = _FEATURES.get(key.rsplit(".", maxsplit=1)[-1]) if key.startswith(PROPRIO) else None
    if signs is None:
        raise ConfigError(
            f"mirror, obs '{key}'",
            expected=f"proprioception out of {', '.join(sorted(_FEATURES))}",
            got="something whose mirror image is not known",
            fix="leave it out of the observation, or set mirror=false",
        )
    return np.array(signs, np.float32)


def _part_signs(part: ActionPart) -> NDArray[np.float32]:
    signs = _PARTS.get((part.kind, part.frame))
    if signs is None:
        raise ConfigError(
            f"mirror, action '{part.name}'",
            expected="translations, rotations, yaw and grippers",
            got=str(part.kind),
            fix="choose another env.action, or set mirror=false",
        )
    return np.array(signs, np.float32)
