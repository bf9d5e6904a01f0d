"""Prompts: the article's two, the user's own, token ids of a stated number, and what makes each one unique."""

from __future__ import annotations

import random
from pathlib import Path

from msgspec import Struct

from bakeoff.errors import FileError, UsageError
from bakeoff.texts import read_bounded


class NamedPrompt(Struct, frozen=True):
    """A prompt's text and the name that it goes by in tables; ``tokens`` that it has, roughly, where it is ours.

    They are SmolLM2's count, with a preamble and its template.
    """

    name: str
    text: str
    tokens: int | None = None


TRAIN = NamedPrompt(
    "train problem",
    "Solve step by step: A train travels 120 km at 60 km/h, then 180 km at 90 km/h. "
    "What is the average speed for the entire journey?",
    76,
)
BINARY_SEARCH = NamedPrompt(
    "binary search",
    "Write a Python function that implements binary search on a sorted list, "
    "including edge case handling and type hints.",
    50,
)
ARTICLE = (TRAIN, BINARY_SEARCH)

_LONGEST_FILE = 8 * 1024 * 1024


def read_prompt(text: str) -> NamedPrompt:
    """The user's prompt: the text itself, or ``@FILE``. Raises UsageError or FileError."""
    if not text.startswith("@"):
        if not text.strip():
            raise UsageError("The prompt is empty. Give a text, or @FILE.")
        return NamedPrompt("own prompt", text)
    path = Path(text[1:]).expanduser()
    try:
        content = read_bounded(path, str(path), "prompt", _LONGEST_FILE)
    except OSError as error:
        raise FileError(f"Cannot read the prompt {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise FileError(f"The prompt {path} is not UTF-8 text.") from error
    if not content.strip():
        raise UsageError(f"The prompt {path} is empty.")
    return NamedPrompt(f"@{path.name}", content)


def preamble(seed: int) -> str:
    """A short system message that differs from its first token on, so that no prompt cache can match.

    It begins with letters and digits drawn from ``seed``: what any tokenizer makes of them differs early.
    """
    rng = random.Random(seed)  # noqa: S311 (uniqueness, not secrecy)
    mark = "".join(rng.choices("abcdefghijkmnpqrstuvwxyz23456789", k=10))
    return f"{mark} is the reference of this request."


def trial_seed(run_seed: int, cell: int, purpose: str, index: int) -> int:
    """A seed of 31 bits for one trial, the same for the same run seed, cell and place."""
    return random.Random(f"{run_seed}/{cell}/{purpose}/{index}").getrandbits(31)  # noqa: S311


def any_token_ids(count: int, seed: int) -> tuple[int, ...]:
    """Token ids for an engine whose vocabulary is not known: small ones, which every vocabulary has."""
    rng = random.Random(seed)  # noqa: S311 (a workload, not a secret)
    return tuple(rng.randrange(256, 8192) for _ in range(count))
