"""A short answer in a whole sentence, known by the words of the question: "The capital of Japan is Tokyo."

Either it stands at the head and all that follows are words of the question ("Tokyo is the capital of Japan",
"Shakespeare wrote Hamlet"), or all before it are and it follows "is" or "are". It ends with its clause, has three words
at most, and none of the question's. Clauses that deny are left, as are questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST_WORDS = 3
_ARTICLES = frozenset({"a", "an", "the"})
_LEADING = _ARTICLES | {"so", "therefore", "thus", "hence"}
_IS = frozenset({"is", "are"})
_FILLING = _LEADING | _IS | {"of", "in", "for", "to", "by", "it"}
_DENIES = frozenset({"not", "no", "never", "neither", "nor", "isn't", "aren't", "cannot", "if"})
_CLAUSE_END = re.compile(r"[,;:()–—]|\s-\s")
_ITS = re.compile(r"\b(it)'s\b", re.IGNORECASE)
_WORD = re.compile(r"\w+(?:[-'./]\w+)*")


def answers_in(sentence: str, prompt: str) -> Iterator[str]:
    """What a sentence in plain characters answers to a prompt: at most once."""
    if sentence.rstrip().endswith("?"):
        return
    sentence = _ITS.sub(r"\1 is", sentence)
    asked = {_bare(word) for word in _WORD.findall(prompt)}
    for end in [len(sentence), *(found.start() for found in _CLAUSE_END.finditer(sentence))]:
        found = _answer(_WORD.findall(sentence[:end]), asked)
        if found:
            yield found
            return


def _answer(words: list[str], asked: set[str]) -> str | None:
    said = [_bare(word) for word in words]
    theirs = asked - _FILLING
    if (theirs.isdisjoint(said) and "it" not in said) or not _DENIES.isdisjoint(said):
        return None
    new = [word not in asked and word not in _FILLING for word in said]
    first = next((place for place, is_new in enumerate(new) if is_new), None)
    if first is None or not 0 < sum(new) <= MOST_WORDS or not all(new[first : first + sum(new)]):
        return None
    last = first + sum(new)
    head = [word for word in said[:first] if word not in _ARTICLES]
    follows = last == len(said) and head and head[-1] in _IS
    leads = last < len(said) and _LEADING.issuperset(head)
    return " ".join(words[first:last]) if follows or leads else None


def _bare(word: str) -> str:
    return word.casefold().removesuffix("'s")
