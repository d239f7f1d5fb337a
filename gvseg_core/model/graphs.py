"""CUDA graphs: what the network launches for a clip of one size is recorded once and replayed as a whole.

A network of this kind launches a thousand small kernels for a clip, and a GPU finishes most of them before the next one
has been launched. A graph launches them all at once. It knows addresses, not values: inputs are copied to where they
were when it was recorded, and results are copied away before the next replay writes over them.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from gvseg_core.model.detour import Detour
from gvseg_core.model.network import Network
from gvseg_core.ops.constants import held

R = TypeVar("R")

_MOST = 6  # graphs at a time: two for each size of clip
_WARM_UP = 2  # calls that go before a recording: libraries choose their algorithms, kernels are tuned, constants made
_TOLERANCE = 0.02  # of the largest value: a replay that is farther from the network's own answer is no use

_log = logging.getLogger(__name__)


class Recorder(Protocol):
    """What makes graphs."""

    def record(self, function: Callable[[], R]) -> tuple[Callable[[], None], R]:
        """What does again all that `function` makes the device do, and where the results then are."""


class CudaRecorder:
    """Records on a CUDA device. All graphs share one pool of memory, since none runs beside another."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, function: Callable[[], R]) -> tuple[Callable[[], None], R]:
        """As `Recorder.record`; other threads may go on using the device."""
        graph = torch.cuda.CUDAGraph()
        with (
            torch.cuda.device(self._device),
            torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"),
        ):
            results = function()
        return graph.replay, results


@dataclass
class _Known:
    """What is known of calls that are alike but for the numbers in their tensors."""

    num_calls: int = 0
    replay: Callable[[], None] | None = None
    inputs: list[Tensor] = field(default_factory=list)  # where the graph reads
    results: Any = None  # what it writes into
    constants: list[object] = field(default_factory=list)  # what else it reads, which must not be freed before it
    is_refused: bool = False


class Graphed(Detour):
    """A network by graphs, one for each half and size of clip; of those that have not been used for long, none."""

    def __init__(self, network: Network | Detour, recorder: Recorder, most: int = _MOST) -> None:
        """
        Args:
            network: on the recorder's device, ready for inference.
            recorder: what makes graphs.
            most: graphs that are kept.
        """
        super().__init__(network)
        self._recorder = recorder
        self._most = most
        self._known: OrderedDict[object, _Known] = OrderedDict()

    def forget(self) -> None:
        """Let go of all graphs."""
        self._known.clear()

    def go(self, name: str, half: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The same by a graph, once there is one."""
        call = (args, kwargs)
        key = (name, _signature(call))
        known = self._known.setdefault(key, _Known())
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        if known.replay is not None:
            for place, tensor in zip(known.inputs, _tensors(call), strict=True):
                place.copy_(tensor)
            known.replay()
            return _cloned(known.results)
        result = half(*args, **kwargs)
        known.num_calls += 1
        if known.num_calls > _WARM_UP and not known.is_refused:
            self._record(known, half, call, result)
        return result

    def _record(self, known: _Known, half: Callable[..., Any], call: Any, wanted: Any) -> None:
        """Make the graph of a call whose result is known, and see that it gives the same."""
        args, kwargs = _cloned(call)
        try:
            with held() as constants:
                replay, results = self._recorder.record(lambda: half(*args, **kwargs))
            replay()
            if not _agree(results, wanted):
                raise RuntimeError("a replay gave another answer")
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            known.is_refused = True
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            _log.warning("no CUDA graph for this size of clip, the run goes on without: %s", reason)
            return
        known.inputs, known.results, known.constants = list(_tensors((args, kwargs))), results, constants
        known.replay = replay


def _tensors(value: Any) -> Iterator[Tensor]:
    """All that a call or a result is made of, in order: tensors in tuples, dicts and dataclasses."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
    elif is_dataclass(value):
        for part in fields(value):
            yield from _tensors(getattr(value, part.name))


def _cloned(value: Any) -> Any:
    """The same with tensors of its own."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _cloned(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_cloned(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{part.name: _cloned(getattr(value, part.name)) for part in fields(value)})
    return value


def _signature(value: Any) -> object:
    """What two calls must have in common for the graph of one to do for the other; hashable."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.device
    if isinstance(value, dict):
        return tuple((key, _signature(item)) for key, item in value.items())
    if isinstance(value, (tuple, list)):
        return tuple(_signature(item) for item in value)
    if is_dataclass(value):
        return type(value), tuple(_signature(getattr(value, part.name)) for part in fields(value))
    return value


def _agree(results: Any, wanted: Any) -> bool:
    """Whether all tensors are the same but for rounding; what is not finite is the same wherever it stands."""
    for mine, true in zip(_tensors(results), _tensors(wanted), strict=True):
        a, b = mine.float().nan_to_num(), true.float().nan_to_num()
        if a.shape != b.shape or (a.numel() and float((a - b).abs().max()) > _TOLERANCE * float(b.abs().max())):
            return False
    return True
