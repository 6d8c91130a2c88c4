"""The networks of soft actor-critic and how a configuration sizes them."""

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from robolearn.agents.sac.config import ActorConfig, EncoderConfig, SacConfig
from robolearn.agents.sac.layout import Layout
from robolearn.nn.distributions import TanhGaussian, bounded_log_std, raw_log_std
from robolearn.nn.encoders import Bottleneck, ConvTrunk, Frames, Trunks, VitTrunk, group_by_shape
from robolearn.nn.ensembles import CriticEnsemble
from robolearn.nn.mlp import Mlp
from robolearn.nn.normalise import RunningNorm
from robolearn.nn.pretrained import ScriptedTrunk, load_weights
from robolearn.nn.targets import polyak_


class ImageEncoder(nn.Module):
    """A trunk, then a bottleneck."""

    def __init__(self, cfg: EncoderConfig, shapes: list[tuple[int, int, int]]) -> None:
        """Build for cameras with images of `shapes` (H, W, 3 k).

        Raises:
            CheckpointError: If `cfg.weights` names a file that does not fit.
        """
        super().__init__()
        self.trunk = _trunk(cfg, shapes)
        self.trunk_size = self.trunk.size
        self.bottleneck = Bottleneck(self.trunk.size, cfg.bottleneck, cfg.precision)
        self.size = cfg.bottleneck
        if cfg.weights is not None and cfg.kind != "pretrained":
            load_weights(self, Path(cfg.weights), prefix="encoder.")

    def forward(self, frames: Frames) -> Tensor:
        """Map images, (B, H, W, 3 k) uint8 per camera with k moments, to (B, size) in (-1, 1)."""
        return self.bottleneck(self.trunk(frames))


class NoImages(nn.Module):
    """The encoder of an agent without cameras."""

    size = 0

    def forward(self, frames: Frames) -> None:
        """Return None: there is nothing to see."""
        del frames


class Actor(nn.Module):
    """Maps features to a tanh-squashed Gaussian whose width is the same in every state.

    Cloning moves the mean only; a width that shared its layers would drift along and spoil exploration.
    """

    uniform: Tensor

    def __init__(self, cfg: ActorConfig, inputs: int, actions: int) -> None:
        super().__init__()
        self.body = Mlp(inputs, cfg.hidden, actions, cfg.activation)
        self._bounds = (cfg.log_std_min, cfg.log_std_max)
        self.raw_log_std = nn.Parameter(torch.full((actions,), raw_log_std(cfg.log_std_start, *self._bounds)))
        with torch.no_grad():
            self.body.head.weight *= 0.1
        self.register_buffer("uniform", torch.zeros((), dtype=torch.bool))
        """While set, exploring means uniform actions; part of the weights so that a remote actor knows it too."""

    def forward(self, x: Tensor) -> TanhGaussian:
        """Map (B, inputs) to a distribution over (B, A)."""
        mean = self.body(x)
        return TanhGaussian(mean, bounded_log_std(self.raw_log_std, *self._bounds).expand_as(mean))

    def follow(self, other: "Actor", tau: float) -> None:
        """Move the fraction `tau` towards the weights of `other`."""
        polyak_(list(self.parameters()), list(other.parameters()), tau)


class SacPolicy(nn.Module):
    """All that acting needs."""

    def __init__(self, cfg: SacConfig, layout: Layout) -> None:
        super().__init__()
        shapes = layout.image_shapes
        self.encoder = ImageEncoder(cfg.encoder, shapes) if shapes else NoImages()
        self.norm = RunningNorm(layout.spec.vector_size, cfg.vector_floor)
        self.size = self.encoder.size + layout.spec.vector_size
        self.actor = Actor(cfg.actor, self.size, layout.action_size)
        self.average = copy.deepcopy(self.actor).requires_grad_(requires_grad=False)
        """The actor's weights averaged over its recent updates; exploits, while the actor itself explores."""

    def join(self, image: Tensor | None, vector: Tensor) -> Tensor:
        """Return (B, size): encoded images (B, Z), if any, beside the standardised vector (B, V)."""
        standard = self.norm(vector)
        return standard if image is None else torch.cat([image, standard], dim=1)

    def forward(self, frames: Frames, vector: Tensor) -> Tensor:
        """Map unshifted images and vectors to what the actor sees, (B, size)."""
        return self.join(self.encoder(frames), vector)


def make_critics(cfg: SacConfig, policy: SacPolicy, layout: Layout) -> CriticEnsemble:
    """Return fresh critics of features and action."""
    c = cfg.critic
    inputs = policy.size + layout.action_size
    return CriticEnsemble(inputs, c.hidden, c.ensemble, c.activation, layer_norm=c.layer_norm)


def _trunk(cfg: EncoderConfig, shapes: list[tuple[int, int, int]]) -> Trunks | ScriptedTrunk:
    if cfg.kind == "pretrained":
        assert cfg.weights is not None
        return ScriptedTrunk(Path(cfg.weights), shapes)
    groups = group_by_shape(shapes)
    kernel = cfg.patch if cfg.kind == "patch" else 2 * cfg.patch
    trunks: list[ConvTrunk | VitTrunk] = []
    for shape, group in groups.items():
        conv = ConvTrunk(len(group), shape, cfg.channels, kernel, cfg.patch)
        trunks.append(VitTrunk(conv) if cfg.kind == "vit" else conv)
    return Trunks(trunks, [trunk.size for trunk in trunks], list(groups.values()), cfg.precision)
