"""What a reasoning text shows is counted by simple rules, on texts as models write them."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.quality.thinking import LOOP_WORDS, Parts, loop, parts, repeated_share, thinking

R1 = """Okay, so I need to find the average speed of the train for the whole journey.

First, the time of the first part. Time is distance over speed, so 120 / 60 = 2 hours.

Then the second part. That's 180 / 90 = 2 hours.

So the total is 300 km in 4 hours, which is 75 km/h.

Wait, but is that just the mean of the speeds? Let me check. The times are equal, so yes.

Hmm, let me double-check the second time. 90 times 2 is 180. Yes. Is that right? I think so.

So the answer is 75."""

LLAMA = """## Step 1: Time of the first part
120 / 60 = 2

## Step 2: Time of the second part
180 / 90 = 2

## Step 3: Average
300 / 4 = 75"""

QWEN = """To solve this, we do the following:
1. Find the time of each part.
2. Add the times.
3. Divide.

Let's verify: 75 * 4 = 300. Verification: it holds.
To double-check, 300 / 75 = 4."""


# Reasoning and answer


@pytest.mark.parametrize(
    ("reply", "opens", "expected"),
    [
        ("<think>\nTwo.\n</think>\n\nFour.", None, Parts("Two.", "Four.")),
        ("Two.\n</think>\n\nFour.", None, Parts("Two.", "Four.")),
        ("Two.</think>Four.", True, Parts("Two.", "Four.")),
        ("<think>\n\n</think>\n\nFour.", None, Parts(None, "Four.")),
        ("Four.", None, Parts(None, "Four.")),
        ("Four.", False, Parts(None, "Four.")),
        ("Two plus", True, Parts("Two plus", None)),
        ("<think>Two plus", None, Parts("Two plus", None)),
        ("<think>Two</think>", None, Parts("Two", None)),
        ("<think>", None, Parts(None, None)),
        ("", None, Parts(None, None)),
        ("Write <think> first.", None, Parts(None, "Write <think> first.")),
        ("<think>x</think>Close with </think>", None, Parts("x", "Close with </think>")),
    ],
)
def test_a_reply_is_parted_by_its_tags(reply: str, opens: bool | None, expected: Parts) -> None:
    assert parts(reply, opens) == expected


# Steps


@pytest.mark.parametrize(("text", "steps"), [(R1, 7), (LLAMA, 3), (QWEN, 4), ("", 0), ("\n\n \n\n", 0), ("One.", 1)])
def test_a_step_is_a_paragraph_or_a_marked_line_of_one(text: str, steps: int) -> None:
    assert thinking(text).steps == steps


@pytest.mark.parametrize(
    "mark", ["1. ", "2) ", "- ", "* ", "Step 1: ", "**Step 1:** ", "First, ", "Then ", "Finally, "]
)
def test_each_marked_line_of_a_paragraph_is_a_step(mark: str) -> None:
    assert thinking(f"{mark}add.\n{mark}divide.\n{mark}done.").steps == 3


def test_lines_without_a_mark_are_one_step() -> None:
    assert thinking("Add\nthe two\nnumbers.").steps == 1
    assert thinking("3.5 hours\n-2 is it\nThenceforth").steps == 1


# Verification


@pytest.mark.parametrize(("text", "passages"), [(R1, 3), (LLAMA, 0), (QWEN, 1), ("", 0)])
def test_a_run_of_verifying_sentences_is_one_passage(text: str, passages: int) -> None:
    assert thinking(text).verifications == passages


@pytest.mark.parametrize(
    "sentence",
    [
        "Wait, that's not right.", "But wait, the second leg!", "Hmm, wait.", "Hold on.", "Let me check.",
        "Let me just check.", "Let's double-check the sum.", "So, let me verify this.", "Let me re-examine it.",
        "To verify, multiply back.", "Double-checking: 4.", "I should double check.", "Is that right?",
        "Does that make sense?", "Sanity check: 300 / 4.", "Let’s recheck.", "等等，不对。", "让我再检查一下。",
        "Let me make sure I did this right.", "Did I add correctly?",
    ],
)  # fmt: skip
def test_these_sentences_look_again(sentence: str) -> None:
    assert thinking(f"It is 4. {sentence} Yes.").verifications == 1


@pytest.mark.parametrize(
    "sentence",
    [
        "The waiter waits.", "Waiting takes 2 hours.", "The check is for $5.", "Check in is at 3.", "Let me think.",
        "Let me add.", "Let us see.", "So the answer is 4.", "Actually, it is 5.", "He wrote a check, wait and all.",
        "They verify it.",
    ],
)  # fmt: skip
def test_these_sentences_do_not(sentence: str) -> None:
    assert thinking(f"It is 4. {sentence} Yes.").verifications == 0


def test_passages_are_counted_apart_where_something_stands_between() -> None:
    assert thinking("Wait. Let me check. It is 4. Wait, no. It is 5.").verifications == 2
    assert thinking("Wait.\n\nWait.").verifications == 2
    assert thinking("Wait. Hold on. Let me check.").verifications == 1


# Repetition


def test_a_text_without_repetition_has_none() -> None:
    words = [str(number) for number in range(500)]
    assert repeated_share(words) == 0.0
    assert loop(words) == (0, 0)


def test_the_share_of_repeated_sequences_is_exact() -> None:
    # 8 words, then the same 8 again: of 9 sequences of eight words, the last one occurred before
    assert repeated_share(list("abcdefgh") * 2) == pytest.approx(1 - 8 / 9)
    assert repeated_share(list("abcdefg")) == 0.0
    assert repeated_share([]) == 0.0


def test_a_loop_is_found_with_its_passage_and_where_it_began() -> None:
    intro = [f"word{number}" for number in range(30)]
    passage = ["wait", "let", "me", "check", "the", "sum", "of", "the", "two", "times", "again"]
    assert loop(intro + passage * 6) == (66, 11)
    assert loop(intro + passage * 6 + passage[:4]) == (70, 11)


def test_what_is_repeated_twice_only_or_briefly_is_no_loop() -> None:
    passage = [f"word{number}" for number in range(50)]
    assert loop(passage * 2) == (0, 0)
    assert loop(["so"] * (LOOP_WORDS - 1)) == (0, 0)
    assert loop(["so"] * LOOP_WORDS) == (LOOP_WORDS, 1)
    assert loop(passage * 3 + ["done"]) == (0, 0)


@given(
    st.lists(st.sampled_from("abc"), max_size=20),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=12),
    st.integers(3, 8),
)
def test_a_loop_agrees_with_the_search_of_every_stretch(intro: list[str], passage: list[str], times: int) -> None:
    words = intro + passage * (times * 12)
    found = [
        (length, next(p for p in range(1, length + 1) if tail[p:] == tail[: length - p]))
        for length in range(LOOP_WORDS, len(words) + 1)
        for tail in [words[len(words) - length :]]
    ]
    expected = [(length, period) for length, period in found if length >= 3 * period]
    assert loop(words) == (expected[-1] if expected else (0, 0))


def test_the_end_of_a_runaway_reasoning_is_told() -> None:
    counted = thinking(R1 + "\n\n" + "Wait, let me check the time again. It is 2 hours. " * 40)
    assert counted.loop_period == 11
    assert counted.loop_words >= 11 * 39
    assert counted.repeated_share > 0.75


def test_chinese_is_counted_by_its_characters() -> None:
    counted = thinking("总时间是四小时。")
    assert counted.words == 7
    assert thinking("所以平均速度是七十五。" * 20).loop_period == 10


@pytest.mark.parametrize(
    "unit", ["a ", "a", "\n", "\n\n", " ", ". ", "wait. ", "but but but ", "1. ", "#", "a b ", "let me ", "是", "-"]
)
def test_a_million_characters_of_one_thing_do_not_hold_the_counts_up(unit: str) -> None:
    """In processor time of this process, with much to spare: what is quadratic would take hours."""

    def too_long(*_: object) -> None:
        raise AssertionError(f"{unit!r} holds the counts up")

    before = signal.signal(signal.SIGVTALRM, too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, 60)
    try:
        assert thinking(unit * (1_000_000 // len(unit))).words >= 0
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
