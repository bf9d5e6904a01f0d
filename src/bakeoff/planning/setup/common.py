"""Steps that several engines share: uv, the download, a server in the background, the first question."""

from __future__ import annotations

import json
import re

from bakeoff.planning.setup.steps import Step, Target, failing
from bakeoff.planning.setup.weights import Weights

QUESTION = "Solve step by step: What is 247 × 83?"
ANSWER_TOKENS = 1024

DEFINITIONS: dict[str, str] = {
    "DIR": 'DIR="${BAKEOFF_SETUP_DIR:-$HOME/bakeoff-setup}"',
    "URL": 'URL="http://127.0.0.1:$PORT"',
    "fail": "fail() { printf 'Error: %s\\n' \"$*\" >&2; exit 1; }",
    "as_root": 'as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }',
    "has_free": 'has_free() { [ -d "$1" ] || set -- "${1%/*}" "$2";'
    ' df -Pk "$1" | awk -v kb="$2" \'END { exit $4 < kb }\'; } 2> /dev/null',
    "is_running": 'is_running() { kill -0 "$(cat "$PID_FILE")"; } 2> /dev/null',
    "is_ready": 'is_ready() { is_running && curl -fsS --max-time 5 -o /dev/null "$URL/health"; } 2> /dev/null',
}
"""Variables and functions of scripts; those that a script uses stand at its top, in this order."""


def uv_step() -> Step:
    """uv, which also brings a Python of the right version."""
    return Step(
        title="uv",
        why="It installs Python programs, each with a Python of the version that it asks for.",
        check="command -v uv > /dev/null",
        lines=(
            'curl -LsSf https://astral.sh/uv/install.sh -o "$DIR/uv-install.sh"',
            'sh "$DIR/uv-install.sh"',
            *failing("uv was not put into ~/.local/bin: add its folder to PATH.", "command -v uv > /dev/null"),
        ),
    )


def environment_step(name: str, packages: str, why: str, size: int | None, options: str = "") -> Step:
    """A Python environment of its own under ``$DIR``."""
    return Step(
        title=f"{packages}, in a Python environment of its own",
        why=why,
        check=f'[ -e "$DIR/{name}/.complete" ]',
        lines=(
            f'[ -x "$DIR/{name}/bin/python" ] || uv venv --python 3.12 "$DIR/{name}"',
            f'uv pip install --python "$DIR/{name}/bin/python"{options} {packages}',
            f'touch "$DIR/{name}/.complete"',
        ),
        bytes=size,
    )


def token_steps(weights: Weights) -> list[Step]:
    """A Hugging Face token, where the weights are given out only with one."""
    if not weights.gated:
        return []
    return [
        Step(
            title="A Hugging Face token",
            why=f"{weights.name} is given out only to accounts that have accepted its terms.",
            check='[ -n "${HF_TOKEN:-}" ] || [ -s "${HF_HOME:-$HOME/.cache/huggingface}/token" ]',
            lines=failing(
                f"Accept the terms on https://huggingface.co/{weights.name}, log in with "
                '"uvx --from huggingface_hub hf auth login", and run this again.'
            ),
        )
    ]


def model_path(weights: Weights) -> str:
    """Where the script puts the weights: the folder, or the (first) GGUF file."""
    folder = f"$DIR/models/{weights.name}"
    return f"{folder}/{weights.file}" if weights.file else folder


def download_step(weights: Weights) -> Step:
    """Get the weights from Hugging Face, once."""
    only, sign = [], "$MODEL/config.json"
    if weights.file:
        pattern = re.sub(r"-00001-of-(\d{5})\.gguf$", r"-*-of-\1.gguf", weights.file)
        only, sign = [f"--include '{pattern}'"], "$MODEL"
    page = f"https://huggingface.co/{weights.name}"
    return Step(
        title=f"The weights, from {weights.name}",
        why="Stopped downloads go on where they stopped.",
        check='[ -e "$MODEL.complete" ]',
        lines=(
            f"uvx --from huggingface_hub hf download {weights.name} \\",
            *(f"  {option} \\" for option in only),
            *failing(
                f"The download failed. Is the network up, and {page} still there?",
                f'  --local-dir "$DIR/models/{weights.name}"',
            ),
            *failing(f"{page} no longer has what is needed.", f'[ -s "{sign}" ]'),
            'touch "$MODEL.complete"',
        ),
        bytes=weights.download_bytes,
    )


def server_step(name: str, command: tuple[str, ...], why: str, advice: str = "") -> Step:
    """Start a server in the background and wait until it answers; half an hour at most."""
    hint = f" {advice}" if advice else ""
    return Step(
        title=f"{name}, started and answering",
        why=why,
        check="is_ready",
        lines=(
            'if curl -s --max-time 5 -o /dev/null "$URL"; then',
            '  fail "Port $PORT is taken by another server: stop it, or set PORT to another one."',
            "fi",
            f"nohup {command[0]} \\",
            *(f"  {line} \\" for line in command[1:]),
            '  > "$LOG" 2>&1 < /dev/null &',
            'echo "$!" > "$PID_FILE"',
            "for _ in $(seq 900); do",
            "  if is_ready; then break; fi",
            f'  is_running || fail "{name} ended while it started.{hint}" \\',
            '    "The end of $LOG: $(tail -n 3 "$LOG")"',
            "  sleep 2",
            "done",
            f'is_ready || fail "{name} was not ready within 30 minutes: see $LOG"',
        ),
    )


def question_step(model: str, path: str = "/v1/chat/completions", **fields: object) -> Step:
    """The first question, by curl; the script says whether the answer holds the right product."""
    head = json.dumps({"model": model, **fields})
    messages = json.dumps([{"role": "user", "content": QUESTION}], ensure_ascii=False)
    return Step(
        title="A first question",
        why="247 × 83 is 20,501.",
        lines=(
            f'reply="$(curl -fsS --max-time 3600 "$URL{path}" -H \'Content-Type: application/json\' \\',
            f"  -d '{head[:-1]},",
            f'       "messages": {messages}}}\')" ||',
            "  fail 'The question was not answered.'",
            "printf '%s\\n' \"$reply\"",
            'case "$reply" in',
            "  *20501* | *20,501* | *'20{,}501'*) echo 'Right: it has 20,501.' ;;",
            "  *) echo '20,501 is not in the answer: it is wrong, or was cut off.' ;;",
            "esac",
        ),
    )


def bakeoff_steps(target: Target, subject: str) -> list[Step]:
    """Bakeoff itself, and the measurement."""
    extras = "fast,nvidia" if target.kind == "nvidia" else "fast"
    return [
        Step(
            title="Bakeoff",
            why="It measures what was set up.",
            check="command -v bakeoff > /dev/null",
            lines=(f"uv tool install --python 3.12 'bakeoff[{extras}]'",),
        ),
        Step(
            title="Measure it",
            why="Speed and memory, with their intervals; the run is kept.",
            lines=(f"bakeoff run {subject}",),
        ),
    ]
