"""Names that mean the same file: letter case, Unicode composition and Windows slashes are no difference.

Archives made on one system and unpacked on another come out so. A name is only taken for another one where no third
could be meant.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from gvseg_core.errors import DataError
from gvseg_core.files import printable


def plain_name(name: str) -> str:
    """What all spellings of a name have in common."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).replace("\\", "/")


def stem_of(name: str) -> str:
    """The last part of a name that may be a path, without its suffix."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return last.rsplit(".", 1)[0] if "." in last[1:] else last


def pair_names(wanted: Sequence[str], there: Iterable[str], where: object) -> dict[str, str]:
    """Each wanted name → the one that is there for it; those that are not there are left out.

    Args:
        wanted: names, each once.
        there: names that exist.
        where: they lie, for the message.

    Raises:
        DataError: a name is not there as it is spelt, and several others could be meant.
    """
    exact = set(there)
    pairs = {name: name for name in wanted if name in exact}
    if len(pairs) == len(wanted):
        return pairs
    loose: dict[str, list[str]] = {}
    for name in sorted(exact - pairs.keys()):
        loose.setdefault(plain_name(name), []).append(name)
    for name in wanted:
        meant = [] if name in pairs else loose.get(plain_name(name), [])
        if len(meant) > 1:
            shown = " and ".join(map(printable, meant))
            raise DataError(f"{printable(where)}: {printable(name)} is not there, and {shown} could both be meant")
        if meant:
            pairs[name] = meant[0]
    _check_apart(pairs, where)
    return {name: pairs[name] for name in wanted if name in pairs}


def _check_apart(pairs: dict[str, str], where: object) -> None:
    """No name that is there may be meant twice."""
    taken: dict[str, str] = {}
    for name, there in pairs.items():
        if there in taken:
            both = f"{printable(taken[there])} and {printable(name)}"
            raise DataError(f"{printable(where)}: {both} could both be {printable(there)}")
        taken[there] = name
