"""A workload as it is asked for, before it is known which engine will get it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bakeoff.errors import UsageError
from bakeoff.results.records import Slo
from bakeoff.workload.shapes import Shape


class Asked(Struct, frozen=True, kw_only=True):
    """One workload, engine-independent.

    What is sent is ``prompt``, a text; or so many random ``token_ids``; or a prompt of ``shape``, of a stated length
    by the engine's own count. ``token_ids`` beside a text stand in for it where the weights are synthetic, since
    these have no real tokenizer. ``arrival``, ``rate_rps``, ``requests`` and ``slo`` are those of
    ``records.Workload``.
    """

    name: str
    prompt: str | None = None
    token_ids: int | None = None
    shape: Shape | None = None
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

    def __post_init__(self) -> None:
        if self.prompt is None and self.token_ids is None and self.shape is None:
            raise ValueError("a workload needs a prompt, a number of token ids, or a shape")

    def ids_for(self, *, takes_ids: bool, synthetic: bool) -> int | None:
        """How many token ids this engine gets; None: it gets a text, the prompt or one fitted to the shape.

        Shapes without a kind of text are sent as ids wherever the engine takes them, the others where the weights
        are synthetic. Raises UsageError where only ids would do and the engine takes none, or only a text is there.
        """
        if self.shape is not None:
            ids = self.shape.prompt_tokens if takes_ids and (synthetic or self.shape.kind == "plain") else None
        elif self.prompt is None or synthetic:
            ids = self.token_ids
            if ids is not None and not takes_ids:
                raise UsageError(
                    f"The engine takes no token ids, which {self.name} asks for: take a prompt or a shape."
                )
        else:
            return None
        if ids is None and synthetic:
            raise UsageError(
                f"Synthetic weights have no real tokenizer, so a text prompt ({self.name}) would have the wrong length: "
                "state a length with --prompt-tokens N."
            )
        return ids

    def check_room(self) -> None:
        """Raise UsageError where the prompt's stated length and the answer do not fit the context."""
        stated = self.shape.prompt_tokens if self.shape else self.token_ids
        needed = (stated or 1) + self.max_tokens
        if needed > self.context:
            what = f"{stated} prompt tokens" if stated else "A prompt of even one token"
            raise UsageError(
                f"{what} and {self.max_tokens} of answer do not fit a context of {self.context}: "
                f"set --context to {needed} or more."
            )
