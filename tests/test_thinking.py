"""Reasoning is told from answer, however the engine sends it and wherever its text is cut into chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.measurement.thinking import kinds_of, template_opens_thinking


def kinds(*chunks: str, opens: bool | None = None) -> str:
    """Of an engine that leaves the tags in its text."""
    return kinds_of(chunks, [""] * len(chunks), opens)


def kinds_by_field(*chunks: tuple[str, str], opens: bool | None = None) -> str:
    """Of an engine that parts (reasoning, answer) itself."""
    return kinds_of([answer for _, answer in chunks], [thought for thought, _ in chunks], opens)


def test_text_without_tags_is_answer() -> None:
    assert kinds("The ", "answer", "\n", "is 4.") == "aaaa"
    assert kinds("The ", "answer", opens=False) == "aa"


def test_no_chunks_have_no_kinds() -> None:
    assert kinds() == ""
    assert kinds(opens=True) == ""


def test_a_tag_in_a_chunk_of_its_own_is_neither() -> None:
    assert kinds("<think>", "Two", " plus", " two", "</think>", "Four", ".") == "-rrr-aa"


def test_space_around_the_tags_is_neither_and_space_within_belongs_to_its_part() -> None:
    chunks = ("\n", "<think>", "\n", "One", "\n\n", "Two", "\n", "</think>", "\n\n", "Four", "\n", "Five", "\n")
    assert kinds(*chunks) == "---rrr---aaaa"


def test_a_tag_may_be_split_over_any_chunks() -> None:
    assert kinds("<", "thi", "nk>", "Two", "</", "think", ">", "Four") == "---r---a"


def test_a_chunk_that_ends_reasoning_and_begins_the_answer_is_answer() -> None:
    assert kinds("<think>Two", " and two</think>\n\nFour", ".") == "raa"


def test_a_chunk_that_ends_reasoning_only_is_reasoning() -> None:
    assert kinds("<think>", "Two", " two</think>\n", "Four") == "-rra"


def test_all_before_a_lone_closing_tag_is_reasoning() -> None:
    assert kinds("Two", " plus", "</think>", "Four") == "rr-a"
    assert kinds("Two", " plus", "</think>", "Four", opens=True) == "rr-a"
    assert kinds("Two", " plus", "</think>", "Four", opens=False) == "rr-a"


def test_reasoning_that_was_cut_never_becomes_an_answer() -> None:
    assert kinds("<think>", "Two", " plus") == "-rr"
    assert kinds("Two", " plus", opens=True) == "rr"
    assert kinds("<think>", "Two", "</thi") == "-rr"


def test_only_the_template_tells_cut_reasoning_without_a_tag_from_an_answer() -> None:
    assert kinds("Two", " plus", opens=None) == "aa"


@pytest.mark.parametrize(
    "chunks", [("<think>", "\n\n", "</think>", "\n\n", "Four"), ("\n", "</", "think>", "\n", "Four")]
)
def test_empty_reasoning_is_no_reasoning_and_no_answer(chunks: tuple[str, ...]) -> None:
    assert kinds(*chunks) == "----a"
    assert kinds(*chunks, opens=True) == "----a"


def test_an_opening_tag_later_in_the_text_is_part_of_the_answer() -> None:
    assert kinds("Write ", "<think>", " first.") == "aaa"


def test_a_second_closing_tag_is_part_of_the_answer() -> None:
    assert kinds("<think>", "x", "</think>", "Close with ", "</think>") == "-r-aa"


def test_the_engines_own_field_is_believed() -> None:
    assert kinds_by_field(("Two", ""), (" plus", ""), ("", "Four"), ("", ".")) == "rraa"
    assert kinds_by_field(("Two", ""), ("", "Four"), opens=True) == "ra"


def test_space_between_the_two_fields_is_neither_and_space_within_the_answer_is_answer() -> None:
    assert kinds_by_field(("Two", ""), ("", "\n\n"), ("", "Four"), ("", "\n"), ("", "Five")) == "r-aaa"


def test_a_chunk_with_both_fields_is_answer() -> None:
    assert kinds_by_field(("Two", ""), ("two", "Four")) == "ra"


def test_an_engine_that_parts_reasoning_may_be_cut_in_it() -> None:
    assert kinds_by_field(("Two", ""), (" plus", "")) == "rr"


spaces = st.text(" \n", max_size=3)
words = st.text("ab <>/think", min_size=1, max_size=12).map(str.strip).filter(
    lambda text: text and "think>" not in text and not text.startswith("<") and not text.endswith("<")
)  # fmt: skip


@st.composite
def replies(draw: st.DrawFn) -> tuple[str, str, bool | None]:
    """A whole reply, the kind of each of its characters, and whether the template opens the reasoning."""
    form = draw(st.sampled_from(["both tags", "closing tag only", "template opens"]))
    opening = "<think>" if form == "both tags" else ""
    opens = True if form == "template opens" else draw(st.sampled_from([None, False, True]))
    parts = [
        (draw(spaces) + opening + draw(spaces), "-"),
        (draw(words), "r"),
        (draw(spaces) + "</think>" + draw(spaces), "-"),
        (draw(words) + draw(spaces), "a"),
    ]
    return "".join(text for text, _ in parts), "".join(kind * len(text) for text, kind in parts), opens


def expected(kinds_inside: str) -> str:
    """The kind of a chunk by the kinds of its characters: answer before reasoning before neither."""
    return next((kind for kind in "ar" if kind in kinds_inside), "-")


@given(replies(), st.data())
def test_where_the_reply_is_cut_into_chunks_changes_nothing(
    reply: tuple[str, str, bool | None], data: st.DataObject
) -> None:
    whole, labels, opens = reply
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1))))
    edges = list(zip([0, *cuts], [*cuts, len(whole)], strict=True))
    assert kinds(*(whole[a:b] for a, b in edges), opens=opens) == "".join(expected(labels[a:b]) for a, b in edges)


def test_every_way_to_cut_a_reply_in_three_is_read_alike() -> None:
    whole, labels = "<think>\nTwo</think>\n\nFour", "--------rrr----------aaaa"
    for first in range(1, len(whole)):
        for second in range(first + 1, len(whole)):
            edges = ((0, first), (first, second), (second, len(whole)))
            assert kinds(*(whole[a:b] for a, b in edges)) == "".join(expected(labels[a:b]) for a, b in edges)


R1 = "{% if add_generation_prompt and not ns.is_tool %}{{'<｜Assistant｜><think>\\n'}}{% endif %}"
R1_FIRST = "{% if add_generation_prompt and not ns.is_tool %}{{'<｜Assistant｜>'}}{% endif %}"
HYBRID = (
    "{% if '</think>' in content %}{% endif %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{%- endif %}"
)
HYBRID_OPENING = HYBRID.replace("{%- endif %}{%- endif %}", "{%- else %}{{- '<think>\\n' }}{%- endif %}{%- endif %}")


@pytest.mark.parametrize(
    ("template", "opens"),
    [
        (R1, True),
        (R1_FIRST, False),
        (HYBRID, False),
        (HYBRID_OPENING, True),
        ("{{ messages }}", False),
        ("{{ messages }}<think>\n", True),
    ],
)
def test_a_template_says_whether_its_prompt_leaves_the_reasoning_open(template: str, opens: bool) -> None:
    assert template_opens_thinking(template) is opens


@pytest.mark.parametrize("template", [None, ""])
def test_without_a_template_it_is_not_known(template: str | None) -> None:
    assert template_opens_thinking(template) is None
