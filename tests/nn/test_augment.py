import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robolearn.nn.augment import content_shifts, draw_shifts, pad_columns, shift_images


def images(shape=(5, 12, 10, 3), seed=0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


@given(st.integers(1, 5), st.integers(0, 1000))
def test_shift_is_edge_padding_then_a_crop(pad, seed):
    batch = images(seed=seed)
    offsets = draw_shifts(len(batch), pad, torch.Generator().manual_seed(seed))
    shifted = shift_images(batch, offsets, pad).numpy()
    padded = np.pad(batch.numpy(), ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="edge")
    for row, (dy, dx) in enumerate(offsets.tolist()):
        np.testing.assert_array_equal(shifted[row], padded[row, dy : dy + 12, dx : dx + 10])


def test_pad_columns_equals_numpy():
    np.testing.assert_array_equal(
        pad_columns(images(), 4).numpy(), np.pad(images().numpy(), ((0, 0), (0, 0), (4, 4), (0, 0)), mode="edge")
    )


def test_the_middle_offset_and_no_padding_change_nothing():
    batch = images()
    assert torch.equal(shift_images(batch, torch.full((5, 2), 4), 4), batch)
    assert shift_images(batch, torch.zeros(5, 2, dtype=torch.int64), 0) is batch


def test_shifts_are_uniform_and_per_sample():
    offsets = draw_shifts(9000, 4, torch.Generator().manual_seed(0))
    counts = np.bincount((offsets[:, 0] * 9 + offsets[:, 1]).numpy(), minlength=81)
    assert counts.min() > 60
    assert counts.max() < 170


def test_content_shifts_follow_the_image_not_its_place():
    batch = images((64, 12, 10, 3))
    offsets = content_shifts(batch, 4, salt=7)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(content_shifts(batch[order], 4, salt=7), offsets[order])
    assert not torch.equal(content_shifts(batch, 4, salt=8), offsets)


@pytest.mark.parametrize("salt", [0, 1, 40_003])
def test_content_shifts_are_spread(salt):
    counts = np.bincount(content_shifts(images((2000, 8, 8, 3)), 4, salt)[:, 1].numpy(), minlength=9)
    assert counts.min() > 150


def test_content_shifts_of_frames_that_differ_in_one_pixel_differ():
    batch = images((1, 12, 10, 3)).repeat(40, 1, 1, 1)
    batch.view(40, -1)[:, 0] = torch.arange(40, dtype=torch.uint8)
    assert len(content_shifts(batch, 4, 0).unique(dim=0)) > 20
