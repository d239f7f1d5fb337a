"""Deformable attention as PyTorch's compilers see it: one operator, with a kernel behind it or the portable path."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn

from gvseg_core.ops import deformable, deformable_operator, kernels
from gvseg_core.ops.deformable_bags import attend_by_bags

SIZES = ((2, 3), (4, 5))


@pytest.fixture
def leaves(device):
    draw = torch.Generator().manual_seed(0)
    value = torch.randn(1, 26, 2, 4, generator=draw)
    places = torch.rand(1, 5, 2, 2, 2, 1, generator=draw) * 6 - 1.5
    logits = torch.randn(1, 5, 2, 2, 1, generator=draw)
    return tuple(x.to(device).requires_grad_() for x in (value, places, logits))


@pytest.fixture(autouse=True)
def kernels_everywhere(monkeypatch):
    """Take the kernel on the CPU as well; what fails in one test is forgotten in the next."""
    monkeypatch.setattr(deformable_operator, "usable", lambda _: True)
    monkeypatch.setattr(kernels, "_broken", set())


def test_pytorch_s_own_examination_of_operators_is_passed(leaves):
    value, places, logits = leaves
    torch.library.opcheck(deformable_operator.deformable_attention, (value, places, logits, [2, 3, 4, 5]))
    assert not kernels._broken


def test_the_one_function_takes_the_kernel_and_gives_what_bags_give(leaves):
    out = deformable.deformable_attention(leaves[0], SIZES, *leaves[1:])
    wanted = attend_by_bags(leaves[0], SIZES, *leaves[1:])
    torch.testing.assert_close(out, wanted)
    weights = torch.linspace(-1, 1, out.numel(), device=out.device).view_as(out)
    ours, theirs = (torch.autograd.grad((x * weights).sum(), leaves) for x in (out, wanted))
    for mine, true in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, true, atol=1e-6, rtol=1e-5)
    assert not kernels._broken


def test_values_that_do_not_learn_get_no_gradient(leaves):
    value, places, logits = leaves
    out = deformable.deformable_attention(value.detach(), SIZES, places, logits)
    assert all(x.abs().sum() > 0 for x in torch.autograd.grad(out.square().sum(), (places, logits)))


class Layer(nn.Module):
    def forward(self, value, places, logits):
        return deformable.deformable_attention(value * 2, SIZES, places, logits) + 1


def test_it_compiles_as_one_graph_forward_and_backward(leaves):
    compiled = torch.compile(Layer(), backend="aot_eager", fullgraph=True)
    out, wanted = compiled(*leaves), Layer()(*leaves)
    torch.testing.assert_close(out, wanted)
    ours, theirs = (torch.autograd.grad(x.square().sum(), leaves) for x in (out, wanted))
    for mine, true in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, true, atol=1e-6, rtol=1e-5)


def test_it_exports_as_one_node(leaves):
    leaves = tuple(x.detach() for x in leaves)
    program = torch.export.export(Layer(), leaves)
    assert any("gvseg.deformable_attention" in str(node.target) for node in program.graph.nodes)
    torch.testing.assert_close(program.module()(*leaves), Layer()(*leaves))


def test_where_the_kernel_cannot_run_the_portable_path_does_and_says_so_once(leaves, monkeypatch, caplog):
    from gvseg_core.ops.kernels import deformable as own

    calls = []

    def fail(*args, **kwargs):
        calls.append(1)
        raise RuntimeError("no C compiler\nsecond line")

    monkeypatch.setattr(own, "attend", fail)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            out = deformable.deformable_attention(leaves[0], SIZES, *leaves[1:])
    torch.testing.assert_close(out, attend_by_bags(leaves[0], SIZES, *leaves[1:]))
    for mine, true in zip(  # and learning goes that way, too
        torch.autograd.grad(out.sum(), leaves),
        torch.autograd.grad(attend_by_bags(leaves[0], SIZES, *leaves[1:]).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(mine, true)
    assert len(calls) == 1
    (record,) = caplog.records
    assert record.getMessage() == (
        "the Triton kernel for deformable attention does not run here, the portable path does: no C compiler"
    )


def test_a_program_that_has_come_to_a_machine_without_a_gpu_takes_the_portable_path(leaves, monkeypatch):
    value, places, logits = (x.detach().cpu() for x in leaves)
    monkeypatch.setattr(deformable_operator, "usable", lambda _: False)
    out = deformable_operator.deformable_attention(value, places, logits, [2, 3, 4, 5])
    assert torch.equal(out, attend_by_bags(value, SIZES, places, logits))


def test_too_little_memory_is_no_reason_to_try_what_needs_more(leaves, monkeypatch):
    from gvseg_core.ops.kernels import deformable as own

    def fail(*args, **kwargs):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(own, "attend", fail)
    with pytest.raises(torch.OutOfMemoryError):
        deformable.deformable_attention(leaves[0].detach(), SIZES, *leaves[1:])
    assert not kernels._broken
