"""The MLX engine's child process: ``python -I mlx_child.py``, run by the Python that has mlx_lm.

It needs nothing but mlx_lm and the standard library. JSON lines on standard input: first
``{"model": FOLDER_OR_REPOSITORY, "download": false}``, then requests, ``{"cancel": ID}`` and ``{"clock": 0}``.
JSON lines on standard output: ``{"ready": …}`` or ``{"error": …, "kind": …}``, then for each request one line a
token and one at the end. It ends when standard input closes.

Instants are nanoseconds of ``time.perf_counter_ns``, taken as mlx_lm hands a token over. From Python 3.10 on every
process of a machine reads the same clock there: CLOCK_MONOTONIC on Linux, mach_absolute_time on macOS.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

NOT_THERE = {
    "LocalEntryNotFoundError", "IncompleteSnapshotError", "RepositoryNotFoundError", "GatedRepoError",
    "RevisionNotFoundError", "HFValidationError", "OfflineModeIsEnabled",
}  # fmt: skip
"""What huggingface_hub raises where a model is not to be had, by name: it need not be imported."""

Say = Callable[..., None]


class Cancelled(Exception):
    """Nobody wants the rest of this request."""


class Inbox:
    """Reads standard input in a thread of its own, so that a request can be cancelled while it is answered."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._requests: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._cancelled: set[int] = set()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if "cancel" in message:
                self._cancelled.add(message["cancel"])
            elif "clock" in message:
                self._say(clock=time.perf_counter_ns())
            else:
                self._requests.put(message)
        os._exit(0)  # whatever is being computed, nobody is left to read it

    def next(self) -> dict[str, Any]:
        return self._requests.get()

    def check(self, request: dict[str, Any]) -> None:
        """Raise Cancelled where the request has been."""
        if request["id"] in self._cancelled:
            raise Cancelled


class Served:
    """One model in memory, and what it is."""

    def __init__(self, name: str, download: bool) -> None:
        import mlx_lm

        here = os.path.isdir(name)  # noqa: PTH112 (no import that can be saved)
        began = time.perf_counter_ns()
        if download and not here:
            mlx_lm.load(name, lazy=True)
        self.download_s = (time.perf_counter_ns() - began) / 1e9
        began = time.perf_counter_ns()
        self.model, self.tokenizer, self.config = mlx_lm.load(name, return_config=True)
        self.load_s = (time.perf_counter_ns() - began) / 1e9
        self.revision = None if here else revision_of(name)
        self._eos = self.tokenizer.eos_token_ids

    def about(self) -> dict[str, Any]:
        """What goes into the run file: sizes in bytes, the device as MLX names it."""
        import mlx.core as mx
        import mlx_lm
        from mlx.utils import tree_flatten

        weights = [array for _, array in tree_flatten(self.model.parameters())]
        device = (mx.device_info if hasattr(mx, "device_info") else mx.metal.device_info)()
        quantization = self.config.get("quantization") or {}
        largest = max(weights, key=lambda array: array.size)
        return {
            "version": mlx_lm.__version__,
            "mlx": mx.__version__,
            "download_s": self.download_s,
            "load_s": self.load_s,
            "gpu": mx.default_device() == mx.gpu,
            "device": device.get("device_name") or device.get("architecture"),
            "wired_limit_bytes": device.get("max_recommended_working_set_size"),
            "revision": self.revision,
            "size_bytes": sum(array.nbytes for array in weights),
            "parameters": getattr(mlx_lm.utils, "get_total_parameters", lambda _: None)(self.model),
            "bits": quantization.get("bits"),
            "group_size": quantization.get("group_size"),
            "dtype": str(largest.dtype).rpartition(".")[2],
            "architecture": self.config.get("model_type"),
            "context_trained": self.config.get("max_position_embeddings"),
            "chat_template": self.has_template,
            "opens_thinking": self._opens_thinking(),
            "exact_length": self._can_ignore_eos(),
        }

    @property
    def has_template(self) -> bool:
        return bool(getattr(self.tokenizer, "has_chat_template", self.tokenizer.chat_template))

    def _opens_thinking(self) -> bool | None:
        if not self.has_template:
            return None
        messages = [{"role": "user", "content": "Hello"}]
        text = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return bool(text.rstrip().endswith("<think>"))

    def _can_ignore_eos(self) -> bool:
        self._ignore_eos(True)
        try:
            return not self.tokenizer.eos_token_ids
        finally:
            self._ignore_eos(False)

    def _ignore_eos(self, ignored: bool) -> None:
        """Take the end tokens from the tokenizer, where mlx_lm looks for them: no work is added to a step."""
        self.tokenizer.eos_token_ids = set() if ignored else self._eos

    def prompt(self, request: dict[str, Any]) -> list[int]:
        """Token ids as they came, or the chat template's; without a template, the plain text's."""
        if request.get("ids"):
            return list(request["ids"])
        messages = request["messages"]
        if self.has_template:
            return list(self.tokenizer.apply_chat_template(messages, add_generation_prompt=True))
        return list(self.tokenizer.encode("\n\n".join(message["content"] for message in messages)))

    def generate(self, request: dict[str, Any], check: Callable[[], None]) -> Iterator[tuple[int, Any]]:
        """(instant, mlx_lm's response) of each token. No prompt cache is passed, so nothing is reused."""
        import mlx.core as mx
        import mlx_lm
        from mlx_lm.sample_utils import make_sampler

        mx.random.seed(request["seed"])
        mx.reset_peak_memory()
        self._ignore_eos(request["ignore_eos"])
        responses = mlx_lm.stream_generate(
            self.model,
            self.tokenizer,
            self.prompt(request),
            max_tokens=request["max_tokens"],
            sampler=make_sampler(temp=request["temperature"], top_p=request.get("top_p") or 0.0),
            prompt_progress_callback=lambda *_: check(),
        )
        for response in responses:
            at_ns = time.perf_counter_ns()
            yield at_ns, response
            check()


def answer(served: Served, request: dict[str, Any], inbox: Inbox, say: Say) -> None:
    """Answer one request, token by token, whatever comes of it."""
    number, at_ns, last = request["id"], 0, None
    try:
        for at_ns, last in served.generate(request, lambda: inbox.check(request)):
            say(id=number, at=at_ns, n=last.generation_tokens, text=last.text)
    except Cancelled:
        say(id=number, cancelled=True)
    except Exception as error:
        say(id=number, error=said(error))
    else:
        assert last is not None
        names = ("finish_reason", "prompt_tokens", "generation_tokens", "prompt_tps", "generation_tps", "peak_memory")
        say(id=number, at=at_ns, done={name: getattr(last, name) for name in names})


def revision_of(repository: str) -> str | None:
    """The commit of a repository's files in the hub's cache, which names their folder; None where it is not told."""
    try:
        from mlx_lm.utils import hf_repo_to_path

        return str(hf_repo_to_path(repository).name)
    except Exception:
        return None


def said(error: BaseException) -> str:
    """What went wrong, in its own words."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def main() -> None:
    """Serve one model until standard input closes."""
    output = os.dup(1)
    os.dup2(2, 1)  # whatever mlx_lm prints goes to the log, not between our lines

    def say(**message: Any) -> None:
        os.write(output, json.dumps(message).encode() + b"\n")

    config = json.loads(sys.stdin.buffer.readline())
    try:
        served = Served(config["model"], config["download"])
        about = served.about()
    except ImportError as error:
        say(error=said(error), kind="engine")
    except Exception as error:
        there = NOT_THERE.isdisjoint(kind.__name__ for kind in type(error).__mro__)
        say(error=said(error), kind="load" if there else "model")
    else:
        inbox = Inbox(say)
        say(ready=about)
        while True:
            answer(served, inbox.next(), inbox, say)
    os._exit(0)


if __name__ == "__main__":
    main()
