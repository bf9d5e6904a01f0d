"""What the token server's log says of the answers that it sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

NS = 1e9


@dataclass(frozen=True)
class Answer:
    """One answer, its times in ns of the server's clock: when the first and the last bytes of its request came, when
    each token was sent, and when its end was, 0 where the client left before.
    """

    stream: int
    seed: int
    begun_ns: int
    asked_ns: int
    sent_ns: tuple[int, ...]
    ended_ns: int

    @property
    def tokens(self) -> int:
        return len(self.sent_ns)

    @property
    def span_s(self) -> float:
        """From the first token to the last."""
        return (self.sent_ns[-1] - self.sent_ns[0]) / NS


def answers(log: np.ndarray[Any, np.dtype[Any]]) -> list[Answer]:
    """Every answer of which a token was sent, by the number of its stream."""
    log = log[np.lexsort((log["token"], log["stream"]))]
    parts = np.split(log, np.flatnonzero(np.diff(log["stream"])) + 1) if len(log) else []
    return [
        Answer(
            stream=int(part["stream"][0]),
            seed=int(part["seed"][0]),
            begun_ns=int(part["begun_ns"][0]),
            asked_ns=int(part["asked_ns"][0]),
            sent_ns=tuple(map(int, part["sent_ns"])),
            ended_ns=int(part["ended_ns"].max()),
        )
        for part in parts
    ]


def ttft_s(sent: Sequence[Answer], since: Literal["begun", "asked"]) -> float:
    """The mean time from the first or the last byte of a request to the sending of its first token."""
    waits = [answer.sent_ns[0] - (answer.begun_ns if since == "begun" else answer.asked_ns) for answer in sent]
    return sum(waits) / len(waits) / NS


def itl_s(sent: Sequence[Answer]) -> float:
    """Σ (last − first token) / Σ (tokens − 1)."""
    return sum(answer.span_s for answer in sent) / sum(answer.tokens - 1 for answer in sent)


def resolution_s(log: np.ndarray[Any, np.dtype[Any]]) -> float:
    """How far the time of a sending is known: the median time that a ``send`` took."""
    return float(np.median(log["done_ns"] - log["sent_ns"])) / NS
