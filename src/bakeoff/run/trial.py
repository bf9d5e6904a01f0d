"""One trial: a request sent, its stream written down as it comes, a record made of it."""

from __future__ import annotations

from contextlib import aclosing

from bakeoff.clock import utc_now
from bakeoff.engines.base import Begun, Chunk, Engine, Finished, Request
from bakeoff.errors import EngineError, PromptTooLong
from bakeoff.measurement.thinking import kinds_of
from bakeoff.measurement.truncation import cut_words
from bakeoff.results.records import Purpose, Status, Timeline, Trial, Usage
from bakeoff.run.instruments import Span


class Recorder:
    """Writes one stream down; ``trial`` makes the record, whatever became of the stream."""

    def __init__(self, cell: int, index: int, purpose: Purpose, seed: int) -> None:
        self._place = (cell, index, purpose, seed)
        self._started = utc_now()
        self._begun_ns: int | None = None
        self._chunks: list[Chunk] = []
        self._finished: Finished | None = None
        self._cut = False

    async def record(self, engine: Engine, request: Request) -> None:
        """Take the whole stream. Raises EngineError; what came before it stays written down."""
        chunks = self._chunks
        async with aclosing(engine.stream(request)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Chunk):
                    chunks.append(event)
                elif isinstance(event, Begun):
                    self._begun_ns = event.at_ns
                else:
                    self._finished = event

    def check(self, request: Request) -> None:
        """Raise PromptTooLong where the server's count shows that it answered another prompt than it was sent."""
        usage = self._finished.usage if self._finished else Usage()
        words = cut_words(usage, request.prompt.text, request.context, repeated=request.cache)
        if words is not None:
            self._cut = True
            raise PromptTooLong(
                f"The server cut the prompt without a word: {words}. Raise --context, or shorten the prompt."
            )

    def said(self) -> tuple[str, str]:
        """The reasoning, where the engine parts it, and the text, as they came."""
        return "".join(chunk.reasoning for chunk in self._chunks), "".join(chunk.text for chunk in self._chunks)

    @property
    def begun_ns(self) -> int | None:
        """When the request was fully sent, by the clock that dates the stream; None: it was not."""
        return self._begun_ns

    @property
    def ended_ns(self) -> int | None:
        """When its last byte came, by the same clock; None: it did not end properly."""
        return self._finished.at_ns if self._finished else None

    def span(self) -> Span | None:
        """When it went, on the monotonic clock; None where nothing was sent, or its times were invented."""
        done = self._finished
        if not self._begun_ns or (done is not None and done.clock == "scripted"):
            return None
        return Span(
            begun_ns=self._begun_ns,
            first_ns=self._chunks[0].at_ns if self._chunks else None,
            last_ns=self._chunks[-1].at_ns if self._chunks else None,
            end_ns=done.at_ns if done else None,
        )

    def trial(self, *, opens_thinking: bool | None, keep_text: bool, error: str | None = None) -> Trial:
        """The record. ``error`` says what ended the stream before its time."""
        cell, index, purpose, seed = self._place
        begun_ns = self._begun_ns or 0
        status, problem = self._status(error)
        done = self._finished or Finished(at_ns=0)
        texts = [chunk.text for chunk in self._chunks]
        thoughts = [chunk.reasoning for chunk in self._chunks]
        counts = [chunk.tokens for chunk in self._chunks if chunk.tokens is not None]
        return Trial(
            cell=cell,
            index=index,
            purpose=purpose,
            status=status,
            started=self._started,
            seed=seed,
            timeline=Timeline(
                at_ns=tuple(chunk.at_ns - begun_ns for chunk in self._chunks),
                kinds=kinds_of(texts, thoughts, opens_thinking),
                tokens=tuple(counts) if counts and len(counts) == len(self._chunks) else None,
            ),
            end_ns=self._finished.at_ns - begun_ns if self._finished else None,
            finish=done.finish,
            usage=done.usage,
            engine=done.timings,
            clock=done.clock,
            clock_step_ns=done.clock_step_ns,
            text="".join(a + b for a, b in zip(thoughts, texts, strict=True)) if keep_text else None,
            error=problem,
        )

    def _status(self, error: str | None) -> tuple[Status, str | None]:
        """A stream that ended without saying why or how long it was counts as truncated; a cut prompt is a failure."""
        done = self._finished
        if error is not None:
            return ("truncated" if self._chunks and not self._cut else "failed"), error
        if done is None or (done.finish is None and done.usage.output_tokens is None):
            return "truncated", "the stream ended before the engine said that it was done"
        if not self._chunks:
            return "failed", "no token came"
        return "ok", None


async def perform(recorder: Recorder, engine: Engine, request: Request) -> EngineError | None:
    """Run the stream into the recorder; give the engine's error rather than raise it."""
    try:
        await recorder.record(engine, request)
        recorder.check(request)
    except EngineError as error:
        return error
    return None
