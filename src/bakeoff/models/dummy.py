"""A model's folder as Hugging Face lays it out, without weights: engines that make up random ones open it.

Its tokenizer knows one word an id and no special token, so that every id that is generated shows as text. Words of
a text it does not know: they all become the same id.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

import msgspec

from bakeoff.errors import FileError
from bakeoff.models.architecture import Architecture
from bakeoff.models.config_write import config_json

FORMAT = 2
_TEMPLATE = "{% for message in messages %}{{ message['content'] + ' ' }}{% endfor %}"


def dummy_folder(arch: Architecture, folder: Path, dtype: str = "bfloat16") -> Path:
    """Path of the model's folder, written into ``folder`` unless it is there already.

    Raises FileError where it cannot be written.
    """
    config = config_json(arch, dtype)
    name = re.sub(r"[^\w.-]", "-", arch.short or arch.name.rpartition("/")[2])[:80]
    path = folder / f"{name}-{dtype}-dummy-{FORMAT}-{sha256(config).hexdigest()[:8]}"
    if path.is_dir():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        half_made = Path(tempfile.mkdtemp(prefix=".dummy-", dir=folder))
        try:
            (half_made / "config.json").write_bytes(config)
            (half_made / "tokenizer.json").write_bytes(msgspec.json.encode(_tokenizer(arch.vocab)))
            (half_made / "tokenizer_config.json").write_bytes(msgspec.json.encode(_settings(arch)))
            half_made.chmod(0o755)
            half_made.rename(path)
        finally:
            shutil.rmtree(half_made, ignore_errors=True)
    except OSError as error:
        if path.is_dir():  # another has just made it
            return path
        raise FileError(
            f"{path} could not be written ({error.strerror}). Set BAKEOFF_HOME to another folder."
        ) from error
    return path


def _settings(arch: Architecture) -> dict[str, object]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": arch.max_position,
        "chat_template": _TEMPLATE,
    }


def _tokenizer(vocab: int) -> dict[str, object]:
    """A ``tokenizer.json`` that maps each word ``w0``, ``w1``, … to its number."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {f"w{number}": number for number in range(vocab)}, "unk_token": "w0"},
    }
