"""Weights from the Hugging Face hub, by name: `hf://org/name`, `hf://org/name@revision`, `hf://org/name/file.pth`.

Needs the extra `gvseg[hub]`. What was fetched once is used from the hub's own cache; nothing is fetched that is not
settings or weights, and safetensors are preferred.
"""

from __future__ import annotations

import re
from pathlib import Path

from gvseg_core.errors import ModelError, UsageError

PREFIX = "hf://"
SOURCE = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:/(?P<file>[\w./ -]+))?(?:@(?P<revision>[\w./-]+))?")


def fetch(source: str, *, offline: bool = False, cache: Path | None = None) -> Path:
    """The local folder (or file) of a hub model, downloaded if need be.

    Args:
        source: as above.
        offline: use the cache only.
        cache: the hub's cache folder, where it is not the usual one.

    Raises:
        UsageError: not such a name, or the extra is not installed.
        ModelError: not on the hub, not reachable, or not in the cache when offline.
    """
    found = SOURCE.fullmatch(source)
    if found is None or ".." in source:
        raise UsageError(f"{source!r} is no hub model; wanted hf://org/name, perhaps with @revision")
    try:
        import huggingface_hub
    except ImportError:
        raise UsageError(f"{source} needs the hub's client: pip install 'gvseg[hub]'") from None
    repo, file, revision = found["repo"], found["file"], found["revision"]
    try:
        if file is not None:
            got = huggingface_hub.hf_hub_download(
                repo, file, revision=revision, local_files_only=offline, cache_dir=cache
            )
            return Path(got)

        def snapshot(*patterns: str) -> Path:
            return Path(
                huggingface_hub.snapshot_download(
                    repo, revision=revision, allow_patterns=list(patterns), local_files_only=offline, cache_dir=cache
                )
            )

        folder = snapshot("*.json", "*.safetensors")
        if not any(folder.glob("*.safetensors")):
            folder = snapshot("*.json", "pytorch_model*.bin")
        return folder
    except Exception as error:  # the client's errors and its network library's have no common base
        where = "in the local cache; run once without --offline" if offline else "to be had from the hub"
        reason = " ".join(str(error).split())[:160]
        raise ModelError(f"{source}: not {where} ({type(error).__name__}: {reason})") from error
