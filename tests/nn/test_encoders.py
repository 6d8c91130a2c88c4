from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from robolearn.agents.sac.config import EncoderConfig
from robolearn.agents.sac.networks import ImageEncoder
from robolearn.core.errors import CheckpointError
from robolearn.nn.encoders import ConvTrunk, Stem, to_float
from robolearn.nn.precision import autocast

CONFIGS = {
    "patch": EncoderConfig(kind="patch", patch=8, channels=[16, 8]),
    "conv": EncoderConfig(kind="conv", patch=4, channels=[8, 16]),
    "vit": EncoderConfig(kind="vit", patch=8, channels=[16, 16]),
}


def frames(*shapes, rows=3, seed=0):
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.integers(0, 256, (rows, *shape), dtype=np.uint8)) for shape in shapes]


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("shapes", [[(64, 64, 3)], [(84, 84, 3), (84, 84, 3)], [(30, 40, 3), (64, 64, 9), (30, 40, 3)]])
def test_every_kind_takes_every_shape(kind, shapes):
    encoder = ImageEncoder(CONFIGS[kind], shapes)
    out = encoder(frames(*shapes))
    assert out.shape == (3, 256)
    assert float(out.detach().abs().max()) < 1.0
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.trunk.parameters())


@pytest.mark.parametrize("depth", [3, 9])
@pytest.mark.parametrize(("kernel", "stride", "size"), [(8, 8, 64), (8, 8, 84), (8, 4, 84), (4, 4, 30)])
def test_the_stem_is_a_convolution_of_stacked_scaled_cameras(kernel, stride, size, depth):
    stem = Stem(2, 5, kernel, stride, (size, size, depth))
    nn.init.normal_(stem.bias)
    images = frames(*[(size, size, depth)] * 2)
    stacked = torch.cat([to_float(image) for image in images], dim=1)
    padding = stem._padding[0]
    padded = functional.pad(stacked, [padding] * 4) / 255.0 - 0.5
    weight = torch.cat(list(stem.weight), dim=1)
    expected = functional.conv2d(padded, weight, stem.bias, stride)
    torch.testing.assert_close(stem(images), expected, rtol=1e-4, atol=1e-4)
    assert expected.shape[1:] == stem.shape
    assert (expected.shape[-1] - 1) * stride + kernel >= size


def test_a_camera_of_its_own_part_of_the_stem():
    trunk = ConvTrunk(2, (16, 16, 3), [8, 8], 4, 4)
    a, b = frames((16, 16, 3), (16, 16, 3))
    assert not torch.allclose(trunk([a, b]), trunk([b, a]))


@pytest.mark.parametrize("kind", CONFIGS)
def test_bfloat16_is_close_to_float32_and_stays_inside(kind):
    images = frames((64, 64, 3), (64, 64, 3), rows=16)
    exact, reduced = (
        ImageEncoder(replace(CONFIGS[kind], precision=precision), [(64, 64, 3)] * 2)
        for precision in ("float32", "bfloat16")
    )
    reduced.load_state_dict(exact.state_dict())
    outs = [encoder(images) for encoder in (exact, reduced)]
    assert outs[1].dtype == reduced.trunk(images).dtype == torch.float32
    assert 0.0 < float((outs[0] - outs[1]).detach().abs().max()) < 0.1
    for out in outs:
        out.square().sum().backward()
    for one, other in zip(exact.parameters(), reduced.parameters(), strict=True):
        assert other.grad.dtype == torch.float32
        assert functional.cosine_similarity(one.grad.flatten(), other.grad.flatten(), dim=0) > 0.98
    assert not torch.is_autocast_enabled("cpu")


def test_bfloat16_holds_all_pixel_values():
    values = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1)
    with autocast("bfloat16", values.device):
        floats = to_float(values)
    assert floats.dtype == torch.bfloat16
    assert torch.equal(floats.to(torch.uint8).flatten(), values.flatten())


def test_weights_come_from_safetensors(tmp_path):
    first, path = ImageEncoder(CONFIGS["patch"], [(64, 64, 3)]), tmp_path / "policy.safetensors"
    save_file({f"encoder.{k}": v.contiguous() for k, v in first.state_dict().items()}, path)
    cfg = EncoderConfig(kind="patch", patch=8, channels=[16, 8], weights=str(path))
    images = frames((64, 64, 3))
    assert torch.equal(ImageEncoder(cfg, [(64, 64, 3)])(images), first(images))
    with pytest.raises(CheckpointError, match=r"encoder\.trunk"):
        ImageEncoder(EncoderConfig(kind="patch", patch=8, channels=[8, 8], weights=str(path)), [(64, 64, 3)])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="safetensors"):
        ImageEncoder(cfg, [(64, 64, 3)])


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x).mean(dim=(2, 3))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scripted_module_is_a_trunk(tmp_path):
    module, path = Pooled(), tmp_path / "trunk.pt"
    torch.jit.save(torch.jit.script(module), path)
    encoder = ImageEncoder(EncoderConfig(kind="pretrained", weights=str(path)), [(20, 20, 3), (24, 24, 6)])
    images = frames((20, 20, 3), (24, 24, 6))
    moments = [images[0], images[1][..., :3], images[1][..., 3:]]
    expected = torch.cat([module(to_float(moment) / 255.0) for moment in moments], dim=1)
    torch.testing.assert_close(encoder.trunk(images), expected)
    assert encoder.trunk_size == 12
    path.write_bytes(b"not TorchScript")
    for broken in (path, tmp_path / "missing.pt"):
        with pytest.raises(CheckpointError, match="TorchScript"):
            ImageEncoder(EncoderConfig(kind="pretrained", weights=str(broken)), [(20, 20, 3)])
