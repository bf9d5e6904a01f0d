"""How far the subjects' next tokens agree: all are asked at places of the reference's own greedy answers.

Nothing is timed here, so that the engines' caches are used from one place of an answer to the next.
"""

from __future__ import annotations

from collections.abc import Callable

from bakeoff.engines.base import Foreteller, Foretelling
from bakeoff.errors import UsageError
from bakeoff.quality.sampling import order
from bakeoff.results.answers import Foretold, ReferenceAnswer, TaskSet
from bakeoff.results.records import AnyRecord, Run
from bakeoff.run.cells import check_unchanged
from bakeoff.run.contestant import Contestant, Observer
from bakeoff.run.plan import Plan

TOP = 100
"""The likeliest tokens that are asked for, by choice: more bound a divergence more tightly, and fill the run file."""
MOST_TOKENS = 256
"""Of an answer: by choice."""
MOST_PLACES = 32
"""Of one answer, evenly spread: more tasks tell more than more places of one."""


class Agreement:
    """Asks the reference first, then the others; what ``before`` holds already is not asked again."""

    def __init__(self, tasks: TaskSet, reference: int, count: int, before: Run | None = None) -> None:
        self.reference = reference
        self._most = min(MOST_TOKENS, tasks.max_tokens)
        self._prompts = {item.id: item.prompt for item in tasks.items}
        self._items = [item for item, _ in order(list(self._prompts), 1, tasks.seed)][:count]
        self._answers = {record.item: record for record in before.reference_answers} if before else {}
        self._opened = {opened.entrant: opened.subject for opened in before.answering} if before else {}
        self._done = {(record.entrant, record.item) for record in before.foretold} if before else set()

    def due(self, entrant: int) -> list[str]:
        """The tasks of which this subject has still to be asked."""
        return [item for item in self._items if (entrant, item) not in self._done]

    async def ask(
        self, contestant: Contestant, entrant: int, write: Callable[[AnyRecord], None], observer: Observer
    ) -> None:
        """All that is due of one subject.

        Raises EngineError, UsageError where it cannot be held against the reference, and FileError where it is no
        longer what it was.
        """
        observer.stage(f"Starting {contestant.text}")
        async with contestant.engine as engine:
            if not isinstance(engine, Foretelling):
                raise UsageError(f"{contestant.text} does not tell how likely its next tokens are: --agreement needs "
                                 "subjects of llama.cpp (llamacpp:) or vLLM (vllm:).")  # fmt: skip
            if entrant in self._opened:
                check_unchanged(self._opened[entrant], engine.describe())
            foreteller = engine.foreteller()
            for item in self.due(entrant):
                done = f"{self._items.index(item) + 1} of {len(self._items)}"
                observer.stage(f"Next tokens of {contestant.text}: answer {done}")
                if entrant == self.reference and item not in self._answers:
                    self._answers[item] = await self._answer(foreteller, item)
                    write(self._answers[item])
                answer = self._answers.get(item)
                if answer is None:
                    raise UsageError("The reference gave no answers that others could be held against.")
                if entrant != self.reference:
                    await self._check_vocabulary(foreteller, contestant.text, answer)
                foreteller.forget()  # what the reference wrote is read anew too
                at = [await foreteller.likeliest((*answer.prompt, *answer.answer[:n]), TOP) for n in answer.places]
                write(Foretold(entrant=entrant, item=item, at=tuple(at)))
                self._done.add((entrant, item))

    async def _answer(self, foreteller: Foreteller, item: str) -> ReferenceAnswer:
        prompt = await foreteller.token_ids(self._prompts[item], chat=True)
        answer, at = await foreteller.answer(prompt, self._most, TOP)
        places = spread(len(answer), MOST_PLACES)
        return ReferenceAnswer(
            entrant=self.reference,
            item=item,
            vocabulary=await foreteller.vocabulary(),
            text=await foreteller.token_ids(self._prompts[item], chat=False),
            prompt=prompt,
            answer=answer,
            places=places,
            written=tuple(at[place] for place in places),
        )

    async def _check_vocabulary(self, foreteller: Foreteller, text: str, answer: ReferenceAnswer) -> None:
        """Raise UsageError where its tokens are not the reference's."""
        size = await foreteller.vocabulary()
        ids = await foreteller.token_ids(self._prompts[answer.item], chat=False)
        unlike = None not in (size, answer.vocabulary) and size != answer.vocabulary
        if unlike or ids != answer.text:
            why = f"{size:,} tokens, not {answer.vocabulary:,}" if unlike else "other tokens"
            raise UsageError(f"{text} has another vocabulary than the reference ({why}): next tokens are compared "
                             "between quantizations of one model. Leave --agreement out.")  # fmt: skip


def agreement_of(plan: Plan, tasks: TaskSet, before: Run | None = None) -> Agreement | None:
    """What the plan asks for; None where it does not."""
    if plan.quality is None or plan.quality.agreement is None:
        return None
    texts = [entrant.text for entrant in plan.entrants]
    reference = plan.quality.reference
    place = texts.index(reference) if reference in texts else 0
    return Agreement(tasks, place, plan.quality.agreement, before)


def spread(length: int, most: int) -> tuple[int, ...]:
    """Up to so many of the places 0 to ``length`` − 1, evenly spread; the first and the last among them."""
    if length <= most:
        return tuple(range(length))
    return tuple(round(n * (length - 1) / (most - 1)) for n in range(most))
