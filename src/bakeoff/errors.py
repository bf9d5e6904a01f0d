"""Everything that Bakeoff says no with.

BakeoffError            exit 1: something failed
├── UsageError          exit 2: what was asked for cannot be done as asked
├── Interrupted         exit 130
├── FileError           a file is missing, unreadable, not what it claims to be, or the disk is full
└── EngineError         an engine could not do what it was asked
    ├── EngineMissing   the engine, its extra or its program is not installed
    ├── ServerUnreachable   nobody answers at the address
    ├── ModelMissing    the server is there, the model is not
    ├── ServerRefused   the server answered with an error status
    │   └── RateLimited     it answers, but not so often
    │   └── PromptTooLong   the prompt does not fit the context: refused, or cut without a word
    ├── BrokenReply     what came is not what the protocol says (cut, not JSON, wrong framing)
    ├── ServerSilent    nothing came for longer than allowed
    └── EngineCrashed   a process that we started ended by itself

A message says what happened, to what, and what to do next, in one or two sentences.
"""

from __future__ import annotations


class BakeoffError(Exception):
    """Base of all: its text is shown to the user as it is, after ``Error: ``."""

    exit_code = 1


class UsageError(BakeoffError):
    """What was asked for cannot be done as asked."""

    exit_code = 2


class Interrupted(BakeoffError):
    """The user pressed Ctrl-C; what was measured is kept."""

    exit_code = 130


class FileError(BakeoffError):
    """A file is missing, unreadable or not what it claims to be, or it could not be written."""


class EngineError(BakeoffError):
    """An engine could not do what it was asked."""


class EngineMissing(EngineError):
    """The engine, its extra or its program is not installed."""


class ServerUnreachable(EngineError):
    """Nobody answers at the address."""


class ModelMissing(EngineError):
    """The server answers, but does not have the model."""


class ServerRefused(EngineError):
    """The server answered with an error.

    ``status`` is the HTTP status, or None where the error came inside a stream that had begun well.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class PromptTooLong(ServerRefused):
    """The prompt does not fit the context: the server says so, or its count of tokens shows that it cut the prompt."""


class RateLimited(ServerRefused):
    """The server answers, but not so often (HTTP 429); ``after_s`` is how long it asks to wait, where it says so."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message, 429)
        self.after_s = after_s


class BrokenReply(EngineError):
    """What came is not what the protocol says: cut short, not JSON, wrong framing."""


class ServerSilent(EngineError):
    """Nothing came for longer than the time-out."""


class EngineCrashed(EngineError):
    """A process that we started ended by itself."""
