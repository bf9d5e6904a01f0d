"""Whether a server cut a prompt that did not fit, which some do without a word; pure.

Its own count of tokens shows it, in two ways. Every usual tokenizer parts words at white space before anything
else, so a text has at least as many tokens as words; and a prompt that fills the context leaves no room for an
answer, so a server that counts exactly the context has cut.
"""

from __future__ import annotations

from bakeoff.results.records import Usage


def cut_words(usage: Usage, text: str | None, context: int | None, *, repeated: bool) -> str | None:
    """What shows that the prompt was cut, in words; None where nothing does.

    ``text`` is the user's own part of the prompt. ``repeated``: it was sent before, so that a server which counts
    only what it evaluates may count less than there is.
    """
    tokens = usage.prompt_tokens
    if tokens is None:
        return None
    if tokens == context:  # more than it: a server with a context of its own
        return f"the prompt filled the context of {context} tokens"
    words = len((text or "").split())
    if tokens < words and not (repeated and usage.cached_tokens is None):
        return f"{tokens} prompt tokens were counted of a text of {words} words"
    return None
