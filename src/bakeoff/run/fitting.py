"""A shape's text, made to its length by the engine's own count."""

from __future__ import annotations

from msgspec import structs

from bakeoff.engines.base import Prompt, Request
from bakeoff.results.records import Workload
from bakeoff.run.asking import Session
from bakeoff.run.trial import Recorder, perform
from bakeoff.workload.shapes import Fitted, fit_text, parse_shape

ANSWER_TOKENS = 2
"""Of a question that is asked for its count: the fewest that every engine gives."""


def wants_text(workload: Workload) -> bool:
    """Whether a shape is to be sent as a text that is still to be made."""
    return workload.shape is not None and workload.prompt is None and workload.prompt_tokens is None


async def fitted(session: Session, workload: Workload) -> tuple[Workload, Fitted]:
    """The workload with its text, and how well that fits. Raises EngineError."""
    assert workload.shape is not None

    async def count(text: str) -> int | None:
        request = Request(
            prompt=Prompt(text=text), max_tokens=ANSWER_TOKENS, context=workload.context, seed=session.seed
        )
        recorder = Recorder(0, 0, "warm-up", session.seed)
        error = await perform(recorder, session.engine, request)
        if error is not None:
            raise error
        return recorder.trial(opens_thinking=None, keep_text=False).usage.prompt_tokens

    fit = await fit_text(parse_shape(workload.shape), count, session.seed)
    return structs.replace(workload, prompt=fit.text), fit
