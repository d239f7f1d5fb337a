"""Every listed backbone, at reduced width: strides, gradients, any size. At true size: how many parameters."""

from __future__ import annotations

import pytest
import torch

from gvseg_core.config import BACKBONES, ResNetSettings, SwinSettings
from gvseg_core.model.backbones import ResNet, build_backbone
from gvseg_core.model.backbones.swin import cut_windows

# Millions of parameters without a classifier: torchvision's ResNets, and the Swin paper's with a norm on each of four
# maps instead of one.
MILLIONS = {
    "resnet18": 11.18,
    "resnet50": 23.51,
    "resnet101": 42.50,
    "swin_tiny": 27.52,
    "swin_small": 48.84,
    "swin_base": 86.88,
    "swin_large": 195.20,
}


def slim(name: str) -> ResNetSettings | SwinSettings:
    """The same depths, heads and windows with a fraction of the channels."""
    settings = BACKBONES[name]
    if isinstance(settings, SwinSettings):
        return settings.model_copy(update={"embed_dim": 4 * settings.num_heads[0], "drop_path": 0.0})
    narrow = {
        "stem_channels": settings.stem_channels // 8,
        "channels": tuple(c // 8 for c in settings.channels),
        "inner_channels": tuple(c // 8 for c in settings.inner_channels),
    }
    return settings.model_copy(update=narrow)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_keeps_its_strides_and_feeds_every_parameter(name):
    torch.manual_seed(0)
    backbone = build_backbone(slim(name))
    maps = backbone(torch.randn(2, 3, 96, 64))
    assert [tuple(m.shape[2:]) for m in maps] == [(24, 16), (12, 8), (6, 4), (3, 2)]
    assert tuple(m.shape[1] for m in maps) == backbone.channels
    sum((m * torch.randn_like(m)).sum() for m in maps).backward()
    starved = [n for n, p in backbone.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert starved == []


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "swin_tiny"])
@pytest.mark.parametrize("size", [(1, 1), (33, 50), (75, 106)])
def test_any_size_goes_in_and_sizes_are_rounded_up(name, size):
    maps = build_backbone(slim(name)).eval()(torch.randn(1, 3, *size))
    for m, stride in zip(maps, (4, 8, 16, 32), strict=True):
        assert tuple(m.shape[2:]) == (-(-size[0] // stride), -(-size[1] // stride))


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_is_as_big_as_published(name):
    with torch.device("meta"):
        backbone = build_backbone(BACKBONES[name])
    assert sum(p.numel() for p in backbone.parameters()) / 1e6 == pytest.approx(MILLIONS[name], abs=0.006)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_folding_the_norms_changes_nothing(name):
    torch.manual_seed(0)
    backbone = build_backbone(slim(name)).eval()
    assert isinstance(backbone, ResNet)
    for module, tensor in backbone.named_buffers():
        tensor.uniform_(0.6, 1.4) if module.endswith("var") else tensor.normal_(std=0.1)
    pixels = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        before = backbone(pixels)
        backbone.fold_norms()
        after = backbone(pixels)
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
    assert not any("bn" in name or "running" in name for name in backbone.state_dict())


def test_a_batch_of_pictures_is_each_of_them():
    """Windows are sorted over the whole batch: those with a seam last."""
    torch.manual_seed(0)
    swin = build_backbone(slim("swin_tiny")).eval()
    pixels = torch.randn(3, 3, 75, 106)
    with torch.no_grad():
        together = swin(pixels)
        for i in range(3):
            for a, b in zip(together, swin(pixels[i : i + 1]), strict=True):
                torch.testing.assert_close(a[i : i + 1], b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(14, 21), (5, 9), (7, 7), (20, 8)])
@pytest.mark.parametrize("shift", [0, 3])
def test_windows_hold_every_cell_once_and_find_back(size, shift):
    cut = cut_windows(2, size, 7, shift, torch.device("cpu"))
    cells = torch.arange(2 * size[0] * size[1])
    there = cells[cut.gather]
    there[cut.padding] = -1
    assert torch.equal(there[cut.scatter], cells)
    assert int((there >= 0).sum()) == len(cells)


def test_drop_path_leaves_out_whole_branches_in_training_alone():
    torch.manual_seed(0)
    swin = build_backbone(slim("swin_tiny").model_copy(update={"drop_path": 0.9}))
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert not torch.equal(swin(pixels)[3], swin(pixels)[3])
        swin.eval()
        assert torch.equal(swin(pixels)[3], swin(pixels)[3])
