"""All that a run needs to go on as if it had never stopped, in one safetensors file of two generations.

`state.safetensors` holds tensors by name (`network.…`, `optimiser.…`, `ema.…`, `queues.…`) and, as one JSON text, the
step, the settings and the number of processes. Chance and the order of the data are pure functions of the seed and the
step, so neither is stored. A new file takes the place of the old one only when it is whole, and the old one stays as
`state.previous.safetensors`: a run that is killed while it saves, or a disk that fills up, loses one interval at most.
No pickle is written or read.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from gvseg_core.errors import ModelError, OutputError, UsageError
from gvseg_core.files import PartFile, writing
from gvseg_core.model.weights.checkpoint import hash_tensors
from gvseg_core.model.weights.safetensor_files import read_safetensors

STATE, PREVIOUS = "state.safetensors", "state.previous.safetensors"
LAST, BEST = "last.safetensors", "best.safetensors"  # weights alone, for --model
_KEY = "gvseg_training"
_VERSION = 1


@dataclass(frozen=True)
class State:
    """A run at the end of a step."""

    step: int  # steps done
    tensors: Mapping[str, Tensor]
    settings: Mapping[str, Any]  # the resolved preset, as JSON takes it
    world_size: int
    facts: Mapping[str, Any] = field(default_factory=dict)  # plain numbers and texts besides: best score, loss scale
    path: Path | None = None  # where it was read from


def save_state(folder: Path, state: State) -> None:
    """Write the state; what was the latest becomes the previous one.

    Raises:
        OutputError: it cannot be written; the generations that are there stay readable.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(state.tensors.items())}
    said = {
        "version": _VERSION,
        "step": state.step,
        "settings": state.settings,
        "world_size": state.world_size,
        "facts": state.facts,
        "sha256": hash_tensors(tensors),
    }
    latest = folder / STATE
    with PartFile(latest, overwrite=True) as part:
        with writing_tensors(latest):
            save_file(tensors, part.path, metadata={_KEY: json.dumps(said)})
            if latest.exists():
                os.replace(latest, folder / PREVIOUS)
        part.commit()


@contextlib.contextmanager
def writing_tensors(target: Path) -> Iterator[None]:
    """As `gvseg_core.files.writing`, for a body in which safetensors writes.

    Raises:
        OutputError: for any `OSError`, and for the library's own kind, which a full disk gives.
    """
    with writing(target):
        try:
            yield
        except SafetensorError as error:
            raise OutputError(f"cannot write {target}: {error}") from error


def load_state(folder: Path) -> tuple[State, str]:
    """The latest state that is whole, and a line if it is not the latest that was written.

    Raises:
        UsageError: there is none.
        ModelError: none of them is whole.
    """
    problems: list[str] = []
    for name in (STATE, PREVIOUS):
        path = folder / name
        if not path.is_file():
            continue
        try:
            return _read(path), f"{'; '.join(problems)}; going on from {name}" if problems else ""
        except ModelError as error:
            problems.append(str(error))
    if problems:
        raise ModelError("; ".join(problems))
    weights = [name for name in (BEST, LAST) if (folder / name).is_file()]
    if weights:
        hint = f"begin a new run from its weights: --init {folder / weights[0]} --out ANOTHER"
    else:
        hint = "leave out --resume to begin anew"
    raise UsageError(f"{folder}: nothing to resume: no {STATE} in it; {hint}")


def differences(one: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> list[str]:
    """`train.lr: 0.0001, now 0.001`: every setting in which two resolved presets differ."""
    found = []
    for key in sorted(one.keys() | other.keys()):
        name, before, now = prefix + key, one.get(key), other.get(key)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            found += differences(before, now, name + ".")
        elif before != now:
            found.append(f"{name}: {before}, now {now}")
    return found


def check_resumable(
    state: State,
    settings: Mapping[str, Any],
    world_size: int,
    *,
    allow_changed: bool,
    surroundings: Mapping[str, str] | None = None,
) -> list[str]:
    """What has changed since `state` was written; how often it is logged or saved is nobody's concern.

    Args:
        state: what was kept.
        settings: the resolved preset now, as JSON takes it.
        world_size: processes now.
        allow_changed: go on all the same.
        surroundings: what else the weights depend on, the data and the code, as it is now; compared with the state's
            fact of that name.

    Raises:
        UsageError: anything, unless that is allowed.
    """
    changed = differences(_shaping(state.settings), _shaping(settings))
    changed += differences(state.facts.get("surroundings", {}), surroundings or {})
    if state.world_size != world_size:
        changed.insert(0, f"processes: {state.world_size}, now {world_size}")
    if changed and not allow_changed:
        raise UsageError(
            f"{state.path}: cannot go on bit for bit, settings have changed: {'; '.join(changed)}; "
            "set them back, or --allow-changed"
        )
    return changed


def _shaping(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Without the settings on which no weight depends."""
    train = dict(settings.get("train") or {})
    for name in ("log_every", "save_every", "validate_every", "max_bad_steps", "workers", "checkpointing"):
        train.pop(name, None)
    return {**settings, "train": train, "licence": None}


def _read(path: Path) -> State:
    tensors, metadata = read_safetensors(path)
    try:
        said = json.loads(metadata[_KEY])
        version = said["version"]
        state = State(int(said["step"]), tensors, said["settings"], int(said["world_size"]), said["facts"], path)
        signed = said["sha256"]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: not the state of a training run of ours ({error})") from None
    if version > _VERSION:
        raise ModelError(f"{path}: written by a newer gvseg (state format {version}, this one reads {_VERSION})")
    if hash_tensors(tensors) != signed:
        raise ModelError(f"{path}: damaged: the SHA-256 of its tensors is not what was written")
    return state


def pack_optimiser(optimiser: torch.optim.Optimizer, names: Mapping[Tensor, str]) -> dict[str, Tensor]:
    """The optimiser's moments as `optimiser.PARAMETER.KIND`, the tensors themselves: save them before the next step."""
    packed = {}
    for parameter, kinds in optimiser.state.items():
        for kind, value in kinds.items():
            packed[f"optimiser.{names[parameter]}.{kind}"] = torch.as_tensor(value)
    return packed


def unpack_optimiser(
    optimiser: torch.optim.Optimizer, names: Mapping[Tensor, str], tensors: Mapping[str, Tensor]
) -> None:
    """Put moments back; a parameter that had none yet has none again.

    Raises:
        ModelError: moments of a parameter that is not there.
    """
    by_name = {name: parameter for parameter, name in names.items()}
    optimiser.state.clear()
    for key, value in tensors.items():
        if not key.startswith("optimiser."):
            continue
        name, kind = key.removeprefix("optimiser.").rsplit(".", 1)
        if name not in by_name:
            raise ModelError(f"the state has moments of {name}, which the network does not have")
        parameter = by_name[name]
        place = value if kind == "step" else value.to(parameter.device)
        optimiser.state[parameter][kind] = place.clone()


def remove_state(folder: Path) -> None:
    """Take both generations away, for a run that begins anew."""
    for name in (STATE, PREVIOUS):
        with contextlib.suppress(FileNotFoundError):
            (folder / name).unlink()
