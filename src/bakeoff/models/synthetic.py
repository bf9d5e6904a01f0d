"""Synthetic weights: a GGUF file of random blocks in the exact shape and types of a real model.

An engine runs it at the real model's speed and in the real model's memory; what it answers means nothing.
"""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from bakeoff.errors import FileError, UsageError
from bakeoff.models import recipes
from bakeoff.models.architecture import Architecture
from bakeoff.models.blocks import RandomWeights, check_type
from bakeoff.models.gguf import FILE_TYPES, SYNTHETIC_KEY, Header, quant_of
from bakeoff.models.gguf_write import Chunk, Value, file_bytes, write_gguf
from bakeoff.models.quants import TensorSpec
from bakeoff.units import bytes_text, plain_text

FORMAT = 1
Progress = Callable[[int, int], None]

_GGUF_NAMES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
_SPECIAL = ("<|begin|>", "<|end|>")
_FILE_TYPE_OF = {name: number for number, name in FILE_TYPES.items()}
_NORMAL, _CONTROL = 1, 3  # token types of llama.h
_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: GENERATION' }}{% endif %}"
)


def synthesize(
    arch: Architecture,
    quant: str,
    folder: Path,
    *,
    like: Header | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Path of a synthetic model, written into ``folder`` unless it is there already.

    With ``like`` every tensor takes the type that it has in that file, and the file's quantization names the
    result. ``progress`` hears of the bytes written and of all bytes. Raises UsageError if the model or the
    quantization cannot be made, and FileError if the disk is too full or cannot be written.
    """
    if arch.family not in _GGUF_NAMES or arch.experts or arch.latent:
        raise UsageError(f"Bakeoff makes no synthetic weights of {plain_text(arch.name)}: {_reason(arch)}.")
    tensors = recipes.tensors(arch, quant, recipes.types_like(like.tensors) if like else None)
    for tensor in tensors:
        check_type(tensor)
    label = (quant_of(like) if like else None) or recipes.quant_name(quant)
    path = folder / _file_name(arch, label, None if arch.short and not like else tensors, seed)
    data = _reported(tensors, seed, progress or (lambda *_: None))
    _write_once(path, _metadata(arch, label), tensors, data)
    return path


def synthetic_name(arch: Architecture, quant: str) -> str:
    """The file's name that ``synthesize`` gives a model with a short name. Raises UsageError on no quantization."""
    return _file_name(arch, recipes.quant_name(quant), None, 0)


def synthetic_prompt(vocab: int, count: int, seed: int) -> list[int]:
    """Random token ids, the same for the same seed, without the special tokens at either end of a vocabulary.

    Those are the first 300 and the last 512 ids (a quarter at most): Qwen's 421 are the most known at the end.
    """
    draw = random.Random(seed)  # noqa: S311 (no secret)
    low, high = min(300, vocab // 4), vocab - min(512, vocab // 4)
    return [draw.randrange(low, high) for _ in range(count)]


def _reason(arch: Architecture) -> str:
    if arch.experts or arch.latent:
        return "mixtures of experts and latent attention are not supported"
    return f"of its family, {arch.family}, none are supported; {', '.join(_GGUF_NAMES)} are"


def _file_name(arch: Architecture, label: str, hashed: Sequence[TensorSpec] | None, seed: int) -> str:
    """Telling, and different for different content; ``hashed`` where the model's name does not say it all."""
    slug = re.sub(r"[^a-z0-9.]+", "-", (arch.short or arch.name).lower()).strip("-.")[:60] or "model"
    parts = ["synthetic", slug, label]
    if hashed is not None:
        shape = (arch.heads, arch.kv_heads, arch.rope_base, arch.norm_epsilon, arch.max_position)
        content = repr((shape, [(spec.name, spec.shape, spec.type.name) for spec in hashed]))
        parts.append(sha256(content.encode()).hexdigest()[:8])
    if seed:
        parts.append(f"seed{seed}")
    return "-".join([*parts, f"v{FORMAT}.gguf"])


def _metadata(arch: Architecture, label: str) -> dict[str, Value]:
    family = _GGUF_NAMES[arch.family]
    file_type = {"general.file_type": _FILE_TYPE_OF[label]} if label in _FILE_TYPE_OF else {}
    return {
        "general.architecture": family,
        "general.name": f"synthetic {arch.short or plain_text(arch.name)}",
        "general.quantization_version": 2,
        SYNTHETIC_KEY: True,
        "bakeoff.format": FORMAT,
        **file_type,
        f"{family}.block_count": arch.layers,
        f"{family}.context_length": arch.max_position,
        f"{family}.embedding_length": arch.hidden,
        f"{family}.feed_forward_length": arch.intermediate,
        f"{family}.attention.head_count": arch.heads,
        f"{family}.attention.head_count_kv": arch.kv_heads,
        f"{family}.attention.key_length": arch.head_dim,
        f"{family}.attention.value_length": arch.head_dim,
        f"{family}.attention.layer_norm_rms_epsilon": arch.norm_epsilon,
        f"{family}.rope.dimension_count": arch.head_dim,
        f"{family}.rope.freq_base": arch.rope_base,
        f"{family}.vocab_size": arch.vocab,
        **_tokenizer(arch),
    }


def _tokenizer(arch: Architecture) -> dict[str, Value]:
    """A byte-level vocabulary of the right size: the bytes, fillers such as ``[300]``, two special tokens."""
    fillers = range(256, arch.vocab - len(_SPECIAL))
    if not fillers:
        raise UsageError(f"A vocabulary of {arch.vocab} is too small for synthetic weights, which need 259.")
    thinks = "r1" in re.split(r"[^a-z0-9]+", f"{arch.short} {arch.name}".lower())
    template = _TEMPLATE.replace("GENERATION", "<think>\\n" if thinks else "")
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": [*_byte_tokens(), *(f"[{number}]" for number in fillers), *_SPECIAL],
        "tokenizer.ggml.token_type": [_NORMAL] * (arch.vocab - len(_SPECIAL)) + [_CONTROL] * len(_SPECIAL),
        "tokenizer.ggml.merges": [],
        "tokenizer.ggml.bos_token_id": arch.vocab - 2,
        "tokenizer.ggml.eos_token_id": arch.vocab - 1,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": template,
    }


def _byte_tokens() -> list[str]:
    """GPT-2's names of the 256 bytes: printable ones are themselves, the others follow from U+0100 on."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = (chr(code) for code in range(256, 512))
    return [chr(byte) if byte in printable else next(others) for byte in range(256)]


def _write_once(
    path: Path, metadata: Mapping[str, Value], tensors: Sequence[TensorSpec], data: Iterable[Iterable[Chunk]]
) -> None:
    """Write under a temporary name and rename at the end: the final name is only ever that of a whole file."""
    size = file_bytes(metadata, tensors)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        if path.is_file() and path.stat().st_size == size:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_space(path.parent, size)
        try:
            with unfinished.open("wb") as file:
                write_gguf(file, metadata, tensors, data)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _full(path.parent, size) from error
        raise FileError(
            f"Synthetic weights cannot be written to {plain_text(str(path.parent))} ({error.strerror}). "
            "Check its rights, or set BAKEOFF_HOME to another folder."
        ) from error


def _reported(tensors: Sequence[TensorSpec], seed: int, progress: Progress) -> Iterator[Iterator[Chunk]]:
    """The bytes of each tensor; nothing is drawn before the first is asked for."""
    weights = RandomWeights(seed)
    done, total = 0, sum(tensor.bytes for tensor in tensors)
    for tensor in tensors:
        yield weights.chunks(tensor)
        done += tensor.bytes
        progress(done, total)


def _check_space(folder: Path, size: int) -> None:
    if shutil.disk_usage(folder).free < size:
        raise _full(folder, size)


def _full(folder: Path, size: int) -> FileError:
    free = bytes_text(shutil.disk_usage(folder).free)
    return FileError(
        f"The synthetic weights need {bytes_text(size)}, {plain_text(str(folder))} has {free} free. "
        "Free some space, or set BAKEOFF_HOME to a folder on another disk."
    )
