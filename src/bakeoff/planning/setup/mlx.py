"""MLX: mlx-lm in a Python environment, a converted model, its server."""

from __future__ import annotations

from bakeoff.planning.setup.common import (
    ANSWER_TOKENS,
    download_step,
    environment_step,
    model_path,
    question_step,
    server_step,
    uv_step,
)
from bakeoff.planning.setup.steps import Kit, Target

INSTALLED_BYTES = 258_109_974
"""mlx-lm 0.32.2 with everything that it needs, unpacked for macOS on arm64 and Python 3.12."""


def mlx_kit(target: Target) -> Kit:
    """``mlx_lm.server``, which calls the model by its path, or ``default_model``."""
    weights = target.chosen.weights
    return Kit(
        definitions=(
            'PORT="${PORT:-8080}"',
            f'MODEL="{model_path(weights)}"',
            'LOG="$DIR/mlx.log"',
            f'PID_FILE="$DIR/mlx-{weights.arch.short}-{weights.quant}.pid"',
        ),
        steps=(
            uv_step(),
            environment_step(
                "mlx", "mlx-lm", "mlx-lm 0.32 asks for Python 3.11 or newer, and a native one.", INSTALLED_BYTES
            ),
            download_step(weights),
            server_step(
                "MLX",
                ('"$DIR/mlx/bin/mlx_lm.server" --model "$MODEL"', '--host 127.0.0.1 --port "$PORT"'),
                "The first question waits until the model is loaded.",
            ),
        ),
        question=question_step("default_model", max_tokens=ANSWER_TOKENS, temperature=0.6),
        subject='"openai:$MODEL" --url "$URL"',
        closing=('echo "MLX goes on and holds the memory. Stop it with: kill $(cat "$PID_FILE")"',),
        disk_bytes=INSTALLED_BYTES,
        disk_words="mlx-lm",
    )
