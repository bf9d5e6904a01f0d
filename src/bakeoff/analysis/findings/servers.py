"""How each engine's own server is told what Bakeoff cannot tell it from outside.

By the help texts of llama-server (b11434) and vLLM (0.32.0), and Ollama's environment variables.
"""

from __future__ import annotations

from bakeoff.analysis.findings.base import Cell

_CONTEXT = {"llamacpp": "llama-server -c", "vllm": "vllm serve --max-model-len"}
_CACHE_OFF = {
    "llamacpp": "llama-server --no-cache-prompt",
    "vllm": "vllm serve --no-enable-prefix-caching",
}
_AT_ONCE = {
    "llamacpp": "llama-server -np",
    "vllm": "vllm serve --max-num-seqs",
    "ollama": "OLLAMA_NUM_PARALLEL",
}


def larger_context(cell: Cell, tokens: int | None = None) -> str:
    """How to get a larger context, as the start of a sentence: where the server was started by someone else, there."""
    engine = cell.opened.subject.engine
    number = f" {tokens}" if tokens is not None else ""
    if cell.opened.subject.attached and engine in _CONTEXT:
        return f"Start the server with more context ({_CONTEXT[engine]}{number or ' N'})"
    if cell.opened.subject.attached and engine == "openai":
        return "Start the server with more context"
    return f"Take --context {tokens}" if tokens is not None else "Raise --context"


def cache_off(cell: Cell) -> str:
    """How to keep a server from taking a prompt from its cache."""
    told = _CACHE_OFF.get(cell.opened.subject.engine)
    return (
        f"Switch its prompt cache off ({told}) and run again" if told else "Switch its prompt cache off and run again"
    )


def more_at_once(cell: Cell) -> str:
    """What lets an engine answer several requests at once, in brackets; empty where we do not know."""
    told = _AT_ONCE.get(cell.opened.subject.engine)
    return f" ({told})" if told else ""
