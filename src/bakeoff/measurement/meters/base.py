"""What a meter is: an instrument that is opened on a target and tells what went on in windows of time.

All instants are nanoseconds of the monotonic clock (``clock.now_ns``). Windows follow each other; a meter that is
absent, forbidden or broken is a null object whose state says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from bakeoff.results.records import MeterState, Phase, Reading, Scope


class Target(Struct, frozen=True, kw_only=True):
    """What is measured. Nothing given: the machine alone.

    ``pids`` are the engine's processes, whose children count too. ``gpu`` is the index or UUID that was asked for;
    None: whichever the processes use. ``on_gpu``: the engine says that it uses one.
    """

    pids: tuple[int, ...] = ()
    gpu: str | None = None
    on_gpu: bool = False


class Stretch(Struct, frozen=True):
    """A window of time, and which part of a trial it is."""

    phase: Phase
    start_ns: int
    end_ns: int

    @property
    def span_s(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9


class Running(Protocol):
    """An opened meter, of one device. Subclasses say what they do otherwise.

    ``sample`` is called by a thread of the sampler, ``state.rate_hz`` times a second or less often; never where that
    is None. The others are called by the runner's thread, and none of them while another is under way. What they
    raise is caught and becomes the state ``failed``.
    """

    remote: bool = False
    """It asks over a network, and may wait: it is sampled in a thread of its own, and ``start`` and ``finish`` run
    beside ``sample``, so they may read nothing then but what was sampled."""

    @property
    def state(self) -> MeterState: ...

    def start(self) -> None:
        """Begin a window. Whatever is read takes well under a millisecond."""
        ...

    def sample(self) -> None:
        """Look once."""
        ...

    def finish(self, stretches: Sequence[Stretch]) -> tuple[Reading, ...]:
        """End the window. The first stretch is the whole of it, the others are its phases, where they are known.

        A meter that cannot tell phases apart gives readings of the first alone.
        """
        ...

    def close(self) -> None:
        """Let the instrument go."""
        ...


class Meter(Protocol):
    """An instrument that this machine may have. ``name`` is what it is chosen and listed by."""

    @property
    def name(self) -> str: ...

    def open(self, target: Target) -> tuple[Running, ...]:
        """One for each device of that kind; an absent instrument is one ``Absent``. Never raises."""
        ...


class Absent:
    """The null object: no readings, and a reason. ``fix`` is the one command that would mend it."""

    remote = False

    def __init__(
        self,
        name: str,
        scope: Scope,
        quantity: str,
        state: Literal["denied", "missing", "failed"],
        reason: str,
        fix: str = "",
    ) -> None:
        self.state = MeterState(name=name, scope=scope, quantity=quantity, state=state, reason=reason, fix=fix)

    def start(self) -> None:
        return None

    def sample(self) -> None:
        return None

    def finish(self, stretches: Sequence[Stretch]) -> tuple[Reading, ...]:  # noqa: ARG002
        return ()

    def close(self) -> None:
        return None


def stretches(
    begun_ns: int, first_ns: int | None = None, last_ns: int | None = None, end_ns: int | None = None
) -> tuple[Stretch, ...]:
    """The whole of a request and its phases: prefill until the first chunk with text, decode from there to the last.

    None where it did not come to its end.
    """
    if end_ns is None or end_ns <= begun_ns:
        return ()
    found = [Stretch("trial", begun_ns, end_ns)]
    if first_ns is not None and begun_ns < first_ns <= end_ns:
        found.append(Stretch("prefill", begun_ns, first_ns))
        if last_ns is not None and first_ns < last_ns <= end_ns:
            found.append(Stretch("decode", first_ns, last_ns))
    return tuple(found)
