"""A workload as it is asked for: the same for every engine."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bakeoff.errors import UsageError
from bakeoff.results.records import Slo
from bakeoff.workload.shapes import parse_shape


class Asked(Struct, frozen=True, kw_only=True):
    """What is to be asked of a subject; what its engine can do with it is found out when it is up.

    What is sent: ``prompt`` (a text), or ``prompt_tokens`` (so many token ids), or ``shape`` (a length or a kind of
    text by its name, see ``shapes``). ``prompt_tokens`` beside a ``prompt`` stand in for it where the weights are
    random. None of them: what suits the model, the article's two prompts or, of random weights, token ids. The rest
    is as in a record's Workload; ``top_p`` None leaves it to the engine.
    """

    name: str = ""
    prompt: str | None = None
    prompt_tokens: int | None = None
    shape: str | None = None
    max_tokens: int = 128
    context: int = 2048
    temperature: float = 0.0
    top_p: float | None = None
    cache: Literal["cold", "warm"] = "cold"
    concurrency: int = 1
    arrival: Literal["closed", "poisson", "constant"] = "closed"
    rate_rps: float | None = None
    requests: int | None = None
    slo: Slo | None = None

    def ids_for(self, *, takes_ids: bool, synthetic: bool) -> int | None:
        """How many token ids this engine gets; None: it gets a text, the prompt or one fitted to the shape.

        Shapes without a kind of text are sent as ids wherever the engine takes them, the others where the weights
        are random. Raises UsageError where only ids would do and the engine takes none, or only a text is there.
        """
        if self.shape is not None:
            shape = parse_shape(self.shape)
            ids = shape.prompt_tokens if synthetic or shape.kind == "plain" else None
            if ids is not None and not takes_ids and not synthetic:
                return None
        else:
            ids = self.prompt_tokens if self.prompt is None or synthetic else None
        if ids is None and synthetic:
            raise UsageError(
                "Synthetic weights have no real tokenizer, so a text prompt would have the wrong length: "
                "leave --prompt out, or state a length with --prompt-tokens N."
            )
        if ids is not None and not takes_ids:
            raise UsageError(f"The engine takes no token ids, and {self.name or 'this'} is made of them: take a shape.")
        return ids

    def check_room(self) -> None:
        """Raise UsageError where the prompt's stated length and the answer do not fit the context."""
        stated = parse_shape(self.shape).prompt_tokens if self.shape else self.prompt_tokens or 1
        needed = stated + self.max_tokens
        if needed > self.context:
            raise UsageError(
                f"{stated} prompt tokens and {self.max_tokens} of answer do not fit a context of {self.context}: "
                f"set --context to {needed} or more."
            )
