"""The most that a tree of processes held at once within a window, from the kernel's marks and from samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from bakeoff.measurement.meters.processes import Held


class Peak(Struct, frozen=True, kw_only=True):
    """What a tree held over a window, in bytes. ``marked``: ``most`` is the kernel's own mark for every process.

    ``most`` adds up each process's own peak, of those that lived together: with several processes whose peaks fell
    apart it is an upper bound. Otherwise it is the most that was sampled, which may miss a short one.
    """

    most: int
    mean: float
    least: int
    marked: bool
    processes: int
    samples: int


class _Member:
    """One process: its mark at the beginning (0 where the mark starts with the window), its marks and sizes since."""

    def __init__(self, before: int) -> None:
        self._before = before
        self._most = 0
        self._sampled = 0

    def saw(self, held: Held) -> None:
        self._most = max(self._most, held.most)
        self._sampled = max(self._sampled, held.resident)

    @property
    def marked(self) -> bool:
        """Whether the mark belongs to this window: it was reset, or has been passed since."""
        return self._most > self._before

    @property
    def peak(self) -> int:
        return self._most if self.marked else self._sampled


class TreePeak:
    """Watches one tree, one window after the other.

    ``tree`` lists its processes, ``read`` tells what one holds (None: gone), ``reset`` lets the kernel's mark of one
    fall to what it holds now, and says whether it did.
    """

    def __init__(
        self,
        tree: Callable[[], Iterable[int]],
        read: Callable[[int], Held | None],
        reset: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._tree, self._read, self._reset = tree, read, reset
        self._members: dict[int, _Member] = {}
        self._totals: list[int] = []
        self._most = 0

    def start(self) -> tuple[int, ...]:
        """Begin a window; the processes that live."""
        self._members, self._totals, self._most = {}, [], 0
        for pid in self._tree():
            mark_is_new = self._reset(pid)
            held = self._read(pid)
            if held is not None:
                self._members[pid] = _Member(0 if mark_is_new else held.most)
        return self.sample()

    def sample(self) -> tuple[int, ...]:
        """Look once; the processes that live. One that is new since the window began has its whole life in it."""
        alive = []
        total = 0
        for pid in self._tree():
            held = self._read(pid)
            if held is None:
                continue
            self._members.setdefault(pid, _Member(0)).saw(held)
            alive.append(pid)
            total += held.resident
        if alive:
            self._totals.append(total)
            self._most = max(self._most, sum(self._members[pid].peak for pid in alive))
        return tuple(alive)

    def peak(self) -> Peak | None:
        """Of the window until now; None where nothing could be read in it."""
        if not self._totals:
            return None
        return Peak(
            most=self._most,
            mean=sum(self._totals) / len(self._totals),
            least=min(self._totals),
            marked=all(member.marked for member in self._members.values()),
            processes=len(self._members),
            samples=len(self._totals),
        )
