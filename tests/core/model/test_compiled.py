"""The network through `torch.compile`: the same answers, or the network itself and one line that says why.

Compiled to machine code it is compared in `tests/bench/compiled.py`, because that takes minutes; here the compiler
stops before.
"""

from __future__ import annotations

import logging
from functools import partial

import pytest
import torch

from gvseg_core.model.compiled import Compiled
from gvseg_core.model.network import Network
from gvseg_core.recipes import load_preset


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Network(load_preset("tiny").model, {"demo": 4}).prepare_for_inference()


def ask(network, size=(64, 96), **kwargs):
    torch.manual_seed(1)
    with torch.inference_mode():
        features = network.encode(torch.randn(1, 2, 3, *size))
        queries = getattr(network, "network", network).queries["vss"](1, "demo")
        return network.decode(features, queries, "demo", **kwargs)


def test_masks_are_those_of_the_network(network):
    torch._dynamo.reset()
    compiled = Compiled(network, compiler=partial(torch.compile, backend="aot_eager"), on_failure=pytest.fail)
    found, wanted = (ask(one, picture_size=(60, 90), descriptors=True) for one in (compiled, network))
    mine, true = found.mask_logits() > 0, wanted.mask_logits() > 0
    assert float((mine & true).sum() / (mine | true).sum()) >= 0.99
    torch.testing.assert_close(found.class_logits, wanted.class_logits, atol=1e-4, rtol=1e-4)


def broken(half, **kwargs):
    def fail(*args, **kwargs):
        raise RuntimeError("no C compiler\nand more")

    return fail


def test_where_it_does_not_compile_one_line_says_so_and_the_network_answers(network, caplog):
    failures = []
    compiled = Compiled(network, compiler=broken, on_failure=lambda: failures.append(1))
    with caplog.at_level(logging.WARNING):
        found = [ask(compiled), ask(compiled)]
    wanted = ask(network)
    assert all(torch.equal(one.class_logits, wanted.class_logits) for one in found)
    assert failures == [1]
    (record,) = caplog.records
    assert record.getMessage() == "--compile does not work here, the run goes on without: no C compiler"


def test_too_little_memory_is_not_the_compiler_s_fault(network):
    def full(half, **kwargs):
        def fail(*args, **kwargs):
            raise torch.OutOfMemoryError

        return fail

    compiled = Compiled(network, compiler=full, on_failure=pytest.fail)
    with pytest.raises(torch.OutOfMemoryError):
        ask(compiled)


def test_in_float32_after_all_the_network_is_called_itself():
    torch.manual_seed(0)
    network = Network(load_preset("tiny").model, {"demo": 4}).prepare_for_inference()
    calls = []

    def counting(half, **kwargs):
        def call(*args, **kwargs):
            calls.append(half.__name__)
            return half(*args, **kwargs)

        return call

    compiled = Compiled(network, compiler=counting)
    ask(compiled.float())
    assert calls == []
    ask(compiled.prepare_for_inference())
    assert calls == ["encode", "decode"]
    assert compiled.settings == network.settings
