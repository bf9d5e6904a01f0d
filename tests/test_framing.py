"""Bytes become whole messages, wherever the network cut them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.engines.framing import MAX_MESSAGE_BYTES, FramingName, framing
from bakeoff.errors import BrokenReply


def messages(name: FramingName, *pieces: bytes) -> list[bytes]:
    cutter = framing(name)
    out = [message for piece in pieces for message in cutter.feed(piece)]
    return out + cutter.finish()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_end_at_a_blank_line_in_any_line_ending(end: bytes) -> None:
    stream = b"data: one" + end + end + b"data: two" + end + end
    assert messages("sse", stream) == [b"one", b"two"]


def test_comments_and_unknown_fields_are_skipped() -> None:
    stream = b": keepalive 36/37\n\nevent: delta\nid: 7\ndata: x\nretry: 10\n\n"
    assert messages("sse", stream) == [b"x"]


def test_several_data_lines_join_with_a_line_feed() -> None:
    assert messages("sse", b"data: a\ndata:b\ndata:  c\n\n") == [b"a\nb\n c"]


def test_a_byte_order_mark_is_not_part_of_the_first_event() -> None:
    assert messages("sse", b"\xef\xbb\xbfdata: x\n\n") == [b"x"]


def test_the_error_field_of_llama_cpp_is_a_message() -> None:
    assert messages("sse", b'error: {"code": 500}\n\n') == [b'{"code": 500}']


def test_an_event_that_the_body_leaves_open_is_given_at_its_end() -> None:
    assert messages("sse", b"data: [DONE]\n") == [b"[DONE]"]


def test_json_lines_skip_blank_lines_and_keep_an_unterminated_last_one() -> None:
    assert messages("ndjson", b'{"a":1}\r\n\n{"b":2}') == [b'{"a":1}', b'{"b":2}']


def test_a_message_without_end_is_refused_before_it_fills_the_memory() -> None:
    cutter = framing("sse")
    with pytest.raises(BrokenReply, match="without ending a message"):
        for _ in range(MAX_MESSAGE_BYTES // 2**16 + 2):
            cutter.feed(b"x" * 2**16)


texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n\ufeff"), max_size=20)


@given(st.lists(texts, max_size=6), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.data())
def test_where_the_network_cuts_changes_nothing(contents: list[str], end: bytes, data: st.DataObject) -> None:
    stream = b"".join(b"data: " + text.encode() + end + end for text in contents)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert messages("sse", *pieces) == [text.encode() for text in contents]
