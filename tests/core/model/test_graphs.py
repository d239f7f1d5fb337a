"""Graphs of a network, with a recorder that replays by calling again, into the same tensors, as a CUDA graph does."""

from __future__ import annotations

import logging
from contextlib import nullcontext

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from gvseg_core.model import graphs
from gvseg_core.model.graphs import Graphed
from gvseg_core.model.network import Network
from gvseg_core.ops.constants import kept
from gvseg_core.recipes import load_preset
from gvseg_core.types import Queries
from tests.core.model.weights.foreign import TINY_SWIN

WARM_UP = graphs._WARM_UP


class Recorder:
    """What was recorded is done again on the tensors of the recording; results appear where they appeared first."""

    def __init__(self, spoil=0.0):
        self.num_recorded = self.num_replayed = 0
        self.spoil = spoil

    def record(self, function):
        self.num_recorded += 1
        results = function()

        def replay():
            self.num_replayed += 1
            for place, tensor in zip(graphs._tensors(results), graphs._tensors(function()), strict=True):
                place.copy_(tensor + self.spoil)

        return replay, results


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Network(load_preset("tiny").model, {"demo": 4}).prepare_for_inference()


def pixels(seed, size=(64, 96)):
    return torch.randn(1, 1, 3, *size, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def ask(network, x, **kwargs):
    features = network.encode(x)
    queries = getattr(network, "network", network).queries["vss"](1, "demo")
    return network.decode(features, queries, "demo", **kwargs)


def same(found, wanted):
    return all(torch.equal(a, b) for a, b in zip(graphs._tensors(found), graphs._tensors(wanted), strict=True))


def test_every_clip_gets_the_network_s_own_answer_before_and_after_recording(network):
    recorder = Recorder()
    graphed = Graphed(network, recorder)
    for seed in range(WARM_UP + 3):
        assert same(ask(graphed, pixels(seed)), ask(network, pixels(seed)))
    assert recorder.num_recorded == 2  # one for each half
    assert recorder.num_replayed == 2 + 2 * 2  # to see that it is right, and for the two clips after


def test_shapes_that_alternate_have_graphs_of_their_own(network):
    recorder = Recorder()
    graphed = Graphed(network, recorder)
    for seed in range(2 * (WARM_UP + 3)):
        x = pixels(seed, (64, 96) if seed % 2 else (96, 64))
        assert same(ask(graphed, x), ask(network, x))
    assert recorder.num_recorded == 4


def test_what_was_asked_for_is_part_of_what_is_recorded(network):
    graphed = Graphed(network, Recorder())
    for seed in range(WARM_UP + 2):
        for kwargs in ({"picture_size": (60, 90)}, {"picture_size": (60, 80), "descriptors": True}):
            assert same(ask(graphed, pixels(seed), **kwargs), ask(network, pixels(seed), **kwargs))


def test_an_answer_is_not_overwritten_by_the_next_one(network):
    graphed = Graphed(network, Recorder())
    found = [ask(graphed, pixels(seed)) for seed in range(WARM_UP + 4)]
    for seed, one in enumerate(found):
        assert same(one, ask(network, pixels(seed)))


def test_only_so_many_graphs_are_kept(network):
    recorder = Recorder()
    graphed = Graphed(network, recorder, most=2)
    for size in ((64, 96), (96, 64), (64, 96)):
        for seed in range(WARM_UP + 2):
            assert same(ask(graphed, pixels(seed, size)), ask(network, pixels(seed, size)))
        assert len(graphed._known) == 2
    assert recorder.num_recorded == 6  # those of the first size were let go in between


def test_a_graph_that_answers_otherwise_is_not_used(network, caplog):
    recorder = Recorder(spoil=100.0)
    graphed = Graphed(network, recorder)
    with caplog.at_level(logging.WARNING):
        for seed in range(WARM_UP + 3):
            assert same(ask(graphed, pixels(seed)), ask(network, pixels(seed)))
    assert recorder.num_recorded == 2  # not tried again
    assert (
        caplog.messages
        == ["no CUDA graph for this size of clip, the run goes on without: a replay gave another answer"] * 2
    )


def test_what_cannot_be_recorded_is_computed_all_the_same(network, caplog):
    class Refusing:
        def record(self, function):
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

    graphed = Graphed(network, Refusing())
    with caplog.at_level(logging.WARNING):
        assert all(same(ask(graphed, pixels(s)), ask(network, pixels(s))) for s in range(WARM_UP + 2))
    assert all(message.endswith("operation not permitted when stream is capturing") for message in caplog.messages)


def test_graphs_of_other_weights_are_forgotten():
    torch.manual_seed(0)
    network = Network(load_preset("tiny").model, {"demo": 4}).prepare_for_inference()
    recorder = Recorder()
    graphed = Graphed(network, recorder)
    for seed in range(WARM_UP + 1):
        ask(graphed, pixels(seed))
    assert recorder.num_recorded == 2
    ask(graphed.float(), pixels(0))
    assert recorder.num_replayed == 2  # those of the check
    graphed.prepare_for_inference()
    assert not graphed._known


class WatchCopies(TorchDispatchMode):
    """Notes what makes the host wait for a device, or copies between the two; the device is called meta here."""

    WAITS = ("nonzero", "_local_scalar_dense", "masked_select", "unique")

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        places = {
            x.device.type for x in [*graphs._tensors(args), *graphs._tensors(kwargs or {}), *graphs._tensors(out)]
        }
        if len(places) > 1 or any(word in str(function) for word in self.WAITS):
            self.seen.append(str(function))
        return out


class WatchNumbers(TorchFunctionMode):
    """Notes tensors that are made of numbers, which are copied to the device unseen by what is dispatched."""

    MAKERS = ("tensor", "new_tensor", "as_tensor", "item", "tolist")

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__name__", "") in self.MAKERS:
            self.seen.append(function.__name__)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("backbone", ["resnet", "swin"])
def test_nothing_between_pixels_and_predictions_needs_the_host(backbone):
    settings = load_preset("tiny").model
    if backbone == "swin":
        settings = settings.model_copy(update={"backbone": TINY_SWIN})
    network = Network(settings, {"demo": 4}).to("meta").prepare_for_inference()
    copies, numbers = WatchCopies(), WatchNumbers()
    with torch.inference_mode():
        for turn in range(2):  # what is made for a size once, the first time, may come from the host
            with copies if turn else nullcontext(), numbers if turn else nullcontext():
                features = network.encode(torch.empty(1, 2, 3, 64, 96, device="meta"))
                queries = Queries(*(torch.empty(1, 5, settings.decoder.dim, device="meta") for _ in range(2)))
                network.decode(features, queries, "demo", picture_size=(60, 90), descriptors=True, time_code=True)
    assert copies.seen == numbers.seen == []


@kept(1)
def constant(n):
    return torch.full((), float(n))


def test_a_graph_holds_the_constants_it_reads():
    class Halves:
        settings = None

        def encode(self, x):
            return x + constant(1)

        def decode(self, *args):
            raise AssertionError

    graphed = Graphed(Halves(), Recorder())
    for _ in range(WARM_UP + 1):
        graphed.encode(torch.zeros(2))
    first = constant(1)
    constant(2)  # the only place for what is kept is taken
    assert constant(1) is not first
    (known,) = graphed._known.values()
    assert any(one is first for one in known.constants)
