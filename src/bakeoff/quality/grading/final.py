r"""Where in an answer its final answer stands, most explicit first.

1. **Short statements**: every ``\boxed{}``, and every short line after a mark ("Answer:", "The answer is", "####",
   "Final answer" as a heading, and the like in a few languages). They must not contradict each other.
2. The last line after such a mark that goes on for longer.
3. The first line, where it is very short and an explanation follows; the last short passage in bold within the last
   five lines.
4. The last sentence that concludes ("therefore", "so", …) and the last sentence that is no remark, which must agree.

What follows a further "Question:" that the model asked itself is left out, and so are blocks of code in 3 and 4.
Every search is linear in the answer's length; of an answer of more than 200,000 characters the end is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from bakeoff.quality.grading.plain import LONGEST, braced, plain
from bakeoff.quality.tasks import Score, Verdict
from bakeoff.units import plain_text

MOST_CHARACTERS = 200_000
SHORT_WORDS = 8
MOST_MARKS = 100
LAST_LINES = 5
LAST_SENTENCES = 30
NOT_FOUND = "No final answer was found."
CONTRADICT = "Its final answers contradict each other."


class Found(Struct, frozen=True):
    """A final answer as a grader reads it: whether it is right (None: it cannot be told), and why not."""

    right: bool | None
    note: str = ""


Reader = Callable[[str, bool], Sequence[Found]]
"""(a statement in plain characters, whether it is a short one) → the final answers in it; none, one, or several."""

_BOX = re.compile(r"\\(?:boxed|fbox)\s?(?=\{|\d)")
_MARK = re.compile(
    r"####\s"
    r"|\b(?:answer|ans)\b(?:\s(?:to|for)\s[^.:\n]{1,60}?)?[*_`\")\]]{0,4}\s{0,2}(?:[:=→]|is\b|are\b|would be\b)"
    r"|\bfinal\s(?:answer|result|solution)\b[*_`\")\]]{0,4}\s{0,2}(?:[:=→]|is\b)?"
    r"|\b(?:antwort|ergebnis|réponse|reponse|respuesta|resposta|risposta|ответ)\b[*_]{0,4}\s?(?:[:=]|is\b|ist\b|est\b|es\b)"
    r"|(?:答案|答え|最终结果)\s?(?:[:：=]|是|为|は)?"
    r"|^[#*_\s]{0,8}answer[*_\s]{0,4}$",
    re.IGNORECASE | re.MULTILINE,
)
_NOT_MEANT = re.compile(
    r"(?:wrong|incorrect|common|naive|naïve|intuitive|tempting|not the|mistaken|previous|first|if the|an)\s"
    r"(?:final\s)?$",
    re.IGNORECASE,
)
_NOT_JUST = r"not (?:just|only|simply|merely)\b"
_FILLING = "*_`:：=→-–—\"'“”()[]#>| \t$\\"
_NEXT_QUESTION = re.compile(
    r"^[#*_\s]{0,6}(?:question|problem|exercise|q|user|human)\s?\d{0,3}[*_]{0,2}\s?[:.]", re.IGNORECASE | re.MULTILINE
)
_FENCE = re.compile(r"^\s{0,3}(?:```|~~~)", re.MULTILINE)
_OPENING = re.compile(r"\s{0,20}([^\s=:#]{1,20}(?:[ \t][^\s=:#]{1,20}){0,2})[ \t]*\n\s*\n")
_BOLD = re.compile(r"\*\*([^*\n]{1,120})\*\*|__([^_\n]{1,120})__|<(?:b|strong)>([^<\n]{1,120})</")
_SENTENCE_END = re.compile(
    r"(?<=[.!?])[\"')*\]]{0,3}\s+(?=[A-ZÀ-ÞА-Я\"'(*$\\])"
    r"|(?<=[.!?])(?<![A-Z][a-z]{2}\.)\s+(?=\d)"  # not within "Mar. 15"
    r"|(?<=[。！？])"
)
_CONCLUDES = re.compile(
    r"^\W{0,6}(?:and |but )?(?:therefore|thus|hence|so|consequently|in conclusion|in summary|to summarize|finally|"
    r"overall|altogether|in total|daher|somit|also beträgt|donc|ainsi|por lo tanto|portanto|итак|следовательно|"
    r"因此|所以|故)\b|∴",
    re.IGNORECASE,
)
_REMARKS = re.compile(
    r"^\W{0,6}(?:note|remember|keep in mind|let me know|i hope|hope this|feel free|you can|if |check|verify|to verify|"
    r"to check|to double|double|verification|compare|however|because|since|unlike|we can (?:verify|check)|"
    r"in other words|do you|would you|for (?:example|comparison|reference)|"
    rf"this (?:is|means|matches|differs|makes|result|confirms|shows|can|gives)|the answer is {_NOT_JUST})",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"\b(?:i['’]?m (?:sorry|unable|not able|afraid)|i (?:cannot|can['’]?t|am unable|am not able|won['’]?t)|as an ai\b|"
    r"unable to (?:help|assist|answer|provide)|can['’]?t (?:help|assist))",
    re.IGNORECASE,
)


def settle(answer: str, read: Reader, *, joins_bullets: bool = False) -> Score:
    """The score of an answer by its final answer, as ``read`` finds and judges it.

    Final answers that contradict each other leave it ungraded, unless all are wrong. Where there is none, a refusal
    is wrong, anything else ungraded. ``joins_bullets``: a list beneath a mark is one statement.
    """
    text = _own_part(plain_text(answer)[-MOST_CHARACTERS:])
    for statements, short in _places(text, joins_bullets):
        found = [(found, statement) for statement in statements for found in read(plain(statement), short)]
        if found:
            return _judged(found)
    if refuses(text):
        return Score(verdict="wrong", basis=_clip(text), note="It refuses.")
    return Score(verdict="ungraded", basis=_clip(text[-300:]), note=NOT_FOUND)


def in_sentences(answer: str, read: Reader) -> Score:
    """The score by whatever any of the last sentences answers, where no place tells: they must not contradict."""
    found = [(one, each) for each in _sentences(_own_part(plain_text(answer)[-MOST_CHARACTERS:])) for one in
             read(plain(each), False)]  # fmt: skip
    return _judged(found) if found else Score(verdict="ungraded", basis=_clip(answer[-300:]), note=NOT_FOUND)


def refuses(answer: str) -> bool:
    """Whether an answer begins by saying that there will be none."""
    return _REFUSES.search(answer[:500]) is not None


def _judged(found: Sequence[tuple[Found, str]]) -> Score:
    judged = {one.right for one, _ in found}
    one, statement = found[-1]
    if len(judged) == 1:
        verdict: Verdict = "ungraded" if one.right is None else "right" if one.right else "wrong"
        return Score(verdict=verdict, basis=_clip(statement), note=one.note)
    basis = " | ".join(dict.fromkeys(_clip(statement, 60) for _, statement in found[:5]))
    return Score(verdict="ungraded", basis=basis, note=CONTRADICT)


def _clip(text: str, longest: int = 200) -> str:
    text = text.strip()
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _own_part(text: str) -> str:
    """The text up to a further question that the model asks itself once it has answered."""
    first = _MARK.search(text) or _BOX.search(text)
    following = _NEXT_QUESTION.search(text, first.end()) if first else None
    return text[: following.start()] if following else text


def _places(text: str, joins_bullets: bool) -> Iterable[tuple[list[str], bool]]:
    marked = list(_marked(text, joins_bullets))
    short = [line for line in marked if len(line.split()) <= SHORT_WORDS or (joins_bullets and line.count(","))]
    yield [*_boxed(text), *short], True
    for line in reversed(marked):
        yield [line], False
    prose = _without_code(text)
    opening = _OPENING.match(prose)
    if opening:
        yield [opening[1]], True
    for found in reversed(_BOLD.findall("\n".join(_lines(prose)[-LAST_LINES:]))):
        yield ["".join(found)], True
    yield from _last_sentences(_sentences(text))


def _lines(prose: str) -> list[str]:
    return [line for line in prose[-20 * LONGEST :].splitlines() if line.strip()]


def _sentences(text: str) -> list[str]:
    """The last of them, outside of code."""
    lines = _lines(_without_code(text))
    return [part for line in lines for part in _SENTENCE_END.split(line) if part.strip()][-LAST_SENTENCES:]


def _last_sentences(sentences: list[str]) -> Iterable[tuple[list[str], bool]]:
    """Pairs of a concluding sentence and a last one, later ones first; a reader finds nothing in most."""
    concluding = [sentence for sentence in sentences if _CONCLUDES.search(sentence)]
    last = [sentence for sentence in sentences if not _REMARKS.search(sentence)] or sentences
    if concluding and last and concluding[-1] != last[-1]:
        yield [concluding[-1], last[-1]], False
    for sentence in reversed(last):
        yield [sentence], False
    for sentence in reversed(sentences):
        yield [sentence], False


def _boxed(text: str) -> Iterable[str]:
    for found in list(_BOX.finditer(text))[-MOST_MARKS:]:
        digits = re.match(r"\d+", text[found.end() : found.end() + 20])
        yield digits.group() if digits else braced(text, found.end())[0]


def _marked(text: str, joins_bullets: bool) -> Iterable[str]:
    """What stands after each mark: the rest of its line, else the next line that has anything."""
    for found in list(_MARK.finditer(text))[-MOST_MARKS:]:
        if _NOT_MEANT.search(text[max(0, found.start() - 25) : found.start()]):
            continue
        rest, _, below = text[found.end() : found.end() + 4 * LONGEST].partition("\n")
        if re.match(rf"\s{{0,3}}{_NOT_JUST}", rest):
            continue
        if rest.strip(_FILLING):
            yield rest.lstrip("*_`: ")
            continue
        lines = [line for line in below.splitlines()[:40] if line.strip(_FILLING)]
        if not lines:
            continue
        bullets = [line for line in lines if re.match(r"\s*(?:[-*•]|\d{1,2}[.)])\s", line)]
        if joins_bullets and len(bullets) > 1 and lines[0] == bullets[0]:
            yield ", ".join(re.sub(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+", "", line) for line in bullets)
        else:
            yield lines[0]


def _without_code(text: str) -> str:
    """The text without its fenced blocks of more than two lines."""
    parts, position, opening = [], 0, None
    for fence in _FENCE.finditer(text):
        if opening is None:
            opening = fence.start()
        else:
            if text.count("\n", opening, fence.start()) > 3:
                parts.append(text[position:opening])
                position = fence.end()
            opening = None
    return "".join(parts) + text[position:]
