"""No server can count beyond what a run file holds."""

from __future__ import annotations

from typing import Any

import pytest

from bakeoff.engines import chat, llama_server, ollama_stream
from bakeoff.engines.chat import LlamaTimings, decoded
from bakeoff.engines.lookup import count_or_none
from bakeoff.errors import BrokenReply
from bakeoff.results.runfile import RunWriter, read_run
from tests.hand_made import a_cell, a_run, a_trial

HUGE = b"1" + b"0" * 30


@pytest.mark.parametrize(
    ("decode", "message"),
    [
        (chat._decode, b'{"usage": {"completion_tokens": %s}}'),
        (chat._decode, b'{"usage": {"prompt_tokens_details": {"cached_tokens": %s}}}'),
        (chat._decode, b'{"timings": {"predicted_n": %s}}'),
        (llama_server._decode, b'{"content": "x", "tokens_predicted": %s}'),
        (ollama_stream._decode, b'{"response": "x", "eval_count": %s}'),
        (ollama_stream._decode, b'{"response": "x", "load_duration": %s}'),
    ],
)
def test_a_count_that_no_run_file_holds_is_not_the_protocol(decode: Any, message: bytes) -> None:
    assert decoded(decode, message % b"7")
    with pytest.raises(BrokenReply, match="not its protocol"):
        decoded(decode, message % HUGE)


def test_such_a_count_of_a_model_is_not_believed() -> None:
    assert count_or_none(7) == 7
    assert count_or_none(int(HUGE)) is None


def test_the_largest_counts_that_are_taken_can_be_written_and_read(tmp_path: Any) -> None:
    most = 2**53
    trial = a_trial(usage=LlamaTimings(cache_n=most, prompt_n=most, predicted_n=most).usage())
    with RunWriter(tmp_path / "run.jsonl") as writer:
        for record in (a_run().started, a_cell(), trial):
            writer.write(record)
    assert read_run(writer.path).trials == (trial,)
