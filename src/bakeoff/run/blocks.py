"""Which answers are metered together, since each alone may be too short for a meter."""

from __future__ import annotations

from bakeoff.run.instruments import Span

BLOCK_S = 600.0
"""Ten times what the slowest meter takes from one reading to the next; of two such stretches all meters keep all."""


class Blocks:
    """Stretches of answers that followed each other, from where the first was sent to where the last ended.

    A block goes on for ``BLOCK_S``. Until the next has lasted as long its stretch has this one before it, since it may
    itself be too short to be told; so whenever the answers end, the last stretch and those before it hold them all.
    """

    def __init__(self) -> None:
        self._parts: list[tuple[int, int]] = []

    def add(self, span: Span | None) -> tuple[int | None, int]:
        """Since when the meters are to be read for this answer's stretch, and how many answers that holds.

        (None, 0) without a span that came to its end: what follows it begins anew.
        """
        if span is None or span.end_ns is None:
            self._parts = []
            return None, 0
        if not self._parts or span.begun_ns - self._parts[-1][0] >= BLOCK_S * 1e9:
            self._parts = [*self._parts[-1:], (span.begun_ns, 0)]
        since_ns, answers = self._parts[-1]
        self._parts[-1] = (since_ns, answers + 1)
        return self._parts[0][0], sum(answers for _, answers in self._parts)
