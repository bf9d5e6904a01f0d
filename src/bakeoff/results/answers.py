"""The records of answers: the tasks that were asked, who was asked, and each answer with its score."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bakeoff.results.parts import EngineTimings, Int64, MemoryPart, Reading, Record, Start, Subject, Usage

Count = Annotated[int, Meta(ge=0, le=2**53)]
Verdict = Literal["right", "wrong", "ungraded", "truncated", "failed"]
"""``ungraded``: it cannot be told. ``truncated``: cut by the token limit, hence wrong.

``failed``: the engine broke off; a resumed run asks again.
"""


class Item(Struct, frozen=True, kw_only=True):
    """One task, whole: its prompt, the checker's name and what it compares with. ``note`` is to be told with it."""

    id: str
    set: str
    level: Int64
    prompt: str
    checker: str
    target: Any
    kind: str = ""
    note: str = ""


class TaskSet(Record, frozen=True, kw_only=True, tag="tasks"):
    """What every subject of the run is asked, in this order but for a shuffle by the seed.

    ``digest`` is the SHA-256 of the items as JSON. ``top_p`` None, with a temperature of 0: greedy.
    """

    sets: tuple[str, ...]
    digest: str
    items: tuple[Item, ...]
    samples: Count
    max_tokens: Count
    context: Count
    temperature: float
    top_p: float | None
    seed: Int64
    sandbox: str


class Answering(Record, frozen=True, kw_only=True, tag="answering"):
    """A subject, before its first answer. ``entrant`` is its place in the run's plan."""

    entrant: Int64
    subject: Subject
    opens_thinking: bool | None = None
    start: Start | None = None
    engine_memory: tuple[MemoryPart, ...] = ()


class Answer(Record, frozen=True, kw_only=True, tag="answer"):
    """One answer with its score. Times are nanoseconds since the request was fully sent.

    ``reasoning`` is what the engine parted from the ``text``; where it leaves tags in, all is in ``text``.
    ``first_ns`` is the first chunk with text, ``answer_ns`` the first of the answer behind any reasoning, ``last_ns``
    the last chunk, ``end_ns`` the last byte. ``reasoning_tokens`` and ``answer_tokens`` add up to the output, as
    ``tokens_from`` says: the engine's own parting (``usage``), its running count (``stream``), or the number of chunks
    of either kind (``chunks``). ``basis`` is what the verdict rests on, as it stood in the answer.

    Readings of the phase ``block`` are of this answer and those before it together, ``block`` in all, with the moments
    between them.
    """

    entrant: Int64
    item: str
    sample: Count
    seed: Int64
    started: str
    verdict: Verdict
    basis: str = ""
    note: str = ""
    text: str = ""
    reasoning: str = ""
    finish: str | None = None
    reasoning_tokens: Count | None = None
    answer_tokens: Count | None = None
    tokens_from: Literal["usage", "stream", "chunks"] = "usage"
    first_ns: Int64 | None = None
    answer_ns: Int64 | None = None
    last_ns: Int64 | None = None
    end_ns: Int64 | None = None
    usage: Usage = Usage()
    engine: EngineTimings = EngineTimings()
    others_cpu: float | None = None
    waited_s: float | None = None
    readings: tuple[Reading, ...] = ()
    block: Count = 0
    error: str | None = None


Logprob = Annotated[float, Meta(ge=-1e40, le=1e-3)]
"""A probability's natural logarithm, as single precision rounds it; −3.4e38 is how some engines write that of 0."""


class Likeliest(Struct, frozen=True):
    """The likeliest next tokens, from the likeliest on, and the natural logarithms of their probabilities."""

    ids: tuple[Count, ...]
    logprobs: tuple[Logprob, ...]

    def __post_init__(self) -> None:
        if not self.ids or {len(self.ids), len(set(self.ids))} != {len(self.logprobs)}:
            raise ValueError("the likeliest tokens need one probability each, and one token at least")


class ReferenceAnswer(Record, frozen=True, kw_only=True, tag="reference_answer"):
    """One greedy answer of the run's reference, in token ids, of which others are asked how likely they hold it.

    ``vocabulary`` is how many tokens its model has, where that is told; ``text`` the task's prompt in them, without
    chat template; ``prompt`` is all that stood before the answer. ``places`` are those of the ``answer`` of which the
    probabilities are kept: each is of the token there, given all before it. ``written`` is what it held likely while it
    wrote.
    """

    entrant: Int64
    item: str
    vocabulary: Count | None
    text: tuple[Count, ...]
    prompt: tuple[Count, ...]
    answer: tuple[Count, ...]
    places: tuple[Count, ...]
    written: tuple[Likeliest, ...]


class Foretold(Record, frozen=True, kw_only=True, tag="foretold"):
    """What a subject holds likely at each of the places of a reference's answer, given the reference's own tokens."""

    entrant: Int64
    item: str
    at: tuple[Likeliest, ...]
