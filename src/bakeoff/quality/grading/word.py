"""Grades a word: yes or no, a weekday, a name.

With ``among``, the answer is the one of these words that a statement holds as a whole word and does not deny ("not
Alice", "taller than Bob"); two contradict each other. For a question of yes or no the answer's first word counts as a
statement. Without ``among``, a short statement must be the word itself, but for case, articles and punctuation; where
there is none, a sentence that repeats the question tells ("The capital of Japan is Tokyo").
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct, convert

from bakeoff.quality.grading.echo import answers_in
from bakeoff.quality.grading.final import CONTRADICT, NOT_FOUND, Found, in_sentences, settle
from bakeoff.quality.tasks import Score, Task


class WordTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """The right word, the words that it is one of, and other ways to say any of them."""

    word: str
    among: tuple[str, ...] = ()
    also: dict[str, tuple[str, ...]] = {}


_DENIED = re.compile(
    r"(?:\bnot|n't|\bnever|\bthan|\binstead of|\bneither|\bnor|\bafter|\bbefore|\bfrom|"
    r"\bstart(?:s|ing)? on|\bif today is)\s(?:an?\s|the\s|on\s)?$"
)
_LEADING = re.compile(r"^\W{0,10}([^\W\d_]{2,12})(?=\W)")
_YES_NO = frozenset({"yes", "no", "true", "false"})


def word(answer: str, task: Task) -> Score:
    """The score of a word. Raises ``msgspec.ValidationError`` for a target that is none."""
    target = convert(task.target, WordTarget)
    forms = {form.casefold(): name for name in target.among for form in (name, *target.also.get(name, ()))}
    wanted = target.word.casefold()

    def read(statement: str, short: bool) -> Sequence[Found]:
        if forms:
            named = {name.casefold() for name in _named(statement.casefold(), forms)}
            return [Found(name == wanted) for name in sorted(named)]
        return [Found(same_words(statement, target.word))] if short and statement else []

    def echoed(statement: str, _: bool) -> Sequence[Found]:
        said = answers_in(statement, task.prompt)
        return [Found(same_words(each, target.word)) for each in said if _cased(each) or not _cased(target.word)]

    score = settle(answer, read)
    if not forms and score.note == NOT_FOUND:
        return in_sentences(answer, echoed)
    leading = _LEADING.match(f"{answer} ")
    if forms.keys() & _YES_NO and leading and leading[1].casefold() in forms:
        return _with_leading(score, leading[1], forms[leading[1].casefold()].casefold() == wanted)
    return score


def _with_leading(score: Score, leading: str, right: bool) -> Score:
    """A "Yes, …" at the head counts, and must not be contradicted by what the answer ends with."""
    verdict = "right" if right else "wrong"
    if score.verdict in (verdict, "ungraded") and "contradict" not in score.note:
        return Score(verdict=verdict, basis=leading)  # type: ignore[arg-type]
    basis = f"{leading} | {score.basis}"
    return Score(verdict="ungraded", basis=basis, note=CONTRADICT)


def _cased(text: str) -> bool:
    """Whether it is written as a name is: "The capital is beautiful" names no city."""
    return text[:1].isupper()


def same_words(statement: str, wanted: str) -> bool:
    """Whether two texts are the same but for case, articles, punctuation and space."""
    return bare_words(statement) == bare_words(wanted)


def bare_words(text: str) -> list[str]:
    """Its words but for case, articles and punctuation."""
    words = re.findall(r"\w+(?:[-.,/]\w+)*", text.casefold())
    return [word for word in words if word not in ("a", "an", "the")]


def _named(statement: str, forms: dict[str, str]) -> list[str]:
    """The words that stand in the statement undenied, by their names; the longest at each place."""
    pattern = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    found = re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", statement)
    undenied = [one for one in found if not _DENIED.search(statement[max(0, one.start() - 24) : one.start()])]
    return [forms[one.group()] for one in undenied]
