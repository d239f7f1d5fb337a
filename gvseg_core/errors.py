"""The ways a run can fail: each also the builtin error it resembles, each with its exit code."""

from __future__ import annotations


class GvsegError(Exception):
    """Anything a user can mend; the message is one line that says what was found, what was wanted, and what to do.

    `exit_code` is the process's exit status when the error ends a run (`design` §4).
    """

    exit_code = 70


class UsageError(GvsegError, ValueError):
    """A wrong command, option or setting."""

    exit_code = 2


class VideoError(GvsegError, OSError):
    """An input that cannot be found, opened or decoded."""

    exit_code = 3


class OutputError(GvsegError, OSError):
    """An output that exists already or cannot be written."""

    exit_code = 4


class ModelError(GvsegError, ValueError):
    """Weights, a checkpoint or a preset that is not what it claims to be."""

    exit_code = 5


class DataError(GvsegError, ValueError):
    """A data set, annotation or exemplar that is malformed or does not fit the video."""

    exit_code = 5


class DeviceError(GvsegError, RuntimeError):
    """A device that is missing, or memory that does not suffice."""

    exit_code = 6


class ExportError(GvsegError, ArithmeticError):
    """An exported model that does not answer as the one it was made of."""

    exit_code = 1
