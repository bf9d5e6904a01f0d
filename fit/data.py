"""The published measurements as rows to fit on, each with what the formulas need or why it is left out."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bakeoff.hardware.chips import chips
from bakeoff.hardware.cores import Cores, cores_of
from bakeoff.models.catalogue import find
from bakeoff.models.recipes import tensors
from bakeoff.models.weights import active_parameters, bytes_read_per_token, kv_bytes, tensor_bytes

if TYPE_CHECKING:
    from bakeoff.models.architecture import Architecture

HERE = Path(__file__).parent
# The models of the rows by their short names in the catalogue. Others are mixtures of experts not in it.
MODELS = {
    "Meta-Llama-3-8B": "llama-3-8b",
    "Meta-Llama-3-70B": "llama-3-70b",
    "Llama-2-7B": "llama-2-7b",
    "llama-2-7b.Q4_0": "llama-2-7b",
    "llama-2-7b.Q4_K_M": "llama-2-7b",
    "Mistral-Small-3.1-24B-Instruct-2503-UD-Q4_K_XL": "mistral-small-24b",
    "Qwen3-30B-A3B-UD-Q4_K_XL": "qwen3-30b-a3b",
    "Qwen3-235B-A22B-Instruct-2507-UD-Q3_K_XL": "qwen3-235b-a22b",
}


@dataclass(frozen=True)
class ChipRow:
    """A chip of the rows: bytes per second, watts (None where not known), cores."""

    name: str
    vendor: str
    bandwidth: float
    watts: float | None
    cores: Cores


@dataclass(frozen=True)
class Row:
    """One published measurement of one model on one or several equal chips.

    ``cache_bytes`` is the cache at the middle of the tokens generated, which started from an empty context.
    ``dropped`` and ``prefill_dropped`` say why a figure is not used.
    """

    source: str
    backend: str
    chip: ChipRow
    gpus: int
    arch: Architecture
    quant: str
    read_bytes: float
    tensor_bytes: float
    cache_bytes: float
    parameters: float
    prompt: int
    decode_tps: float
    prefill_tps: float
    early: bool
    prefill_dropped: str


@dataclass(frozen=True)
class Rows:
    """Rows to fit on, rows of mixtures of experts (for their one factor), and reasons why others are left out."""

    dense: list[Row]
    experts: list[Row]
    dropped: dict[str, int]


@cache
def chip(name: str) -> ChipRow | None:
    """The chip of that name in the catalogue, None where it is not in it."""
    known, cores = {c.name: c for c in chips()}.get(name), cores_of(name)
    if known is None or cores is None:
        return None
    return ChipRow(name, known.vendor, known.bandwidth_bytes_s, known.tdp_w, cores)


def load() -> Rows:
    """Every measurement of ``speeds.csv``, used or left out with its reason."""
    dense, experts, dropped = [], [], dict[str, int]()
    for line in _read("speeds.csv"):
        reason = _reason(line)
        row = None if reason else _row(line)
        if row is not None and row.decode_tps * row.read_bytes > row.chip.bandwidth:
            reason = "above the bandwidth limit by the bytes of its active weights"
        if reason or row is None:
            dropped[reason] = dropped.get(reason, 0) + 1
        elif row.arch.experts:
            experts.append(row)
        else:
            dense.append(row)
    return Rows(dense, experts, dropped)


def others() -> list[dict[str, str]]:
    """Measurements from other publications, on which nothing but Ollama's extra time is fitted."""
    return _read("others.csv")


def processors() -> list[dict[str, str]]:
    """Measurements on processors without a GPU."""
    return _read("processors.csv")


def threads() -> list[dict[str, str]]:
    """Measurements on so few threads of a processor that its cores bind, not its memory."""
    return _read("threads.csv")


def unpacking() -> list[dict[str, str]]:
    """Weights per second of one thread, by the type that all matrices have."""
    return _read("unpacking.csv")


@cache
def shape(model: str, quant: str) -> tuple[Architecture, float, float, float]:
    """Architecture, bytes read per token, bytes of all tensors, active parameters."""
    arch = find(model)
    specs = tensors(arch, quant)
    return arch, bytes_read_per_token(specs, arch), tensor_bytes(specs), active_parameters(arch)


def _reason(line: dict[str, str]) -> str:
    if line["outcome"] != "ok":
        return "did not fit in memory, so there is no speed"
    if not line["chip"]:
        return "chip or its memory not named precisely enough to know its bandwidth"
    if chip(line["chip"]) is None:
        return "chip not in the catalogue"
    if line["model"] not in MODELS:
        return "mixture of experts whose shape is not in the catalogue"
    return ""


def _row(line: dict[str, str]) -> Row:
    arch, read, total, parameters = shape(MODELS[line["model"]], line["quant"])
    if "UD-" in line["model"]:  # a mix of its own: its published size says how many bytes it is
        read, total = read * float(line["tensor_bytes"]) / total, float(line["tensor_bytes"])
    known = chip(line["chip"])
    assert known is not None
    return Row(
        source=line["source"],
        backend=line["backend"].split(" (")[0],
        chip=known,
        gpus=int(line["gpus"]),
        arch=arch,
        quant=line["quant"],
        read_bytes=read,
        tensor_bytes=total,
        cache_bytes=kv_bytes(arch, int(line["gen_tokens"]) // 2),
        parameters=parameters,
        prompt=int(line["prompt_tokens"]),
        decode_tps=float(line["decode_tps"]),
        prefill_tps=float(line["prefill_tps"] or 0),
        early=line["source"].startswith("XiongjieDai"),
        prefill_dropped=_prefill_reason(line),
    )


def _prefill_reason(line: dict[str, str]) -> str:
    if not line["prefill_tps"]:
        return "no prefill measured"
    if line["flag"]:
        return "far below that of like cards, as the source's transcriber flagged it"
    if line["backend"].startswith("ROCm") and "Strix" in line["chip"] and "hipblaslt" not in line["settings"]:
        return "ROCm on Strix Halo without hipBLASLt, a setting with a third of the speed"
    return ""


def _read(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
