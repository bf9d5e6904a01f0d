"""The rules of the advice, as data: what each sentence of it rests on. docs/advice.md lists them for users."""

from __future__ import annotations

from typing import Literal

RuleName = Literal[
    "largest_that_keeps_pace",
    "floor",
    "nothing_fits",
    "measured_first",
    "best_machine",
    "least_loss",
    "mlx_where_measured",
    "vllm_for_many",
    "usual_engine",
    "settings",
    "api_for_a_low_load",
    "gives_up",
    "would_change",
]

RULES: dict[RuleName, str] = {
    "measured_first": "A decode rate that this machine's own sound runs measured goes before the planner's; it is "
    "carried to the context needed as the planner carries its own.",
    "largest_that_keeps_pace": "Of the models asked about, the one with the most parameters that fits with the context "
    "needed and decodes at the pace needed.",
    "floor": "Without another pace asked for, 10 tokens/s: the floor of interactive use. Where nothing keeps it, the "
    "fastest that fits, for work that can wait.",
    "nothing_fits": "Where no model fits at any quantization, none is named.",
    "best_machine": "Between machines, the one that runs the largest model, and of those that run it the fastest.",
    "least_loss": "Of one model's quantizations that fit and keep the pace, the one that loses least by published "
    "perplexity (as 'bakeoff plan'); but where tasks run here showed it equivalent to a smaller one, the smaller.",
    "mlx_where_measured": "On a Mac, MLX only where it was measured faster on this machine than Ollama or llama.cpp "
    "with that model.",
    "vllm_for_many": "From 4 streams at once on an NVIDIA GPU, vLLM with weights of its own formats, if any fit whole.",
    "usual_engine": "Else, for one stream, the engine that the rate was measured with, or Ollama where it offers that "
    "quantization, as it is the least to set up; else llama.cpp.",
    "settings": "The context needed is set and no more; layers on the GPU where the model is split; the limit that has "
    "to be raised; for vLLM its share of the memory.",
    "api_for_a_low_load": "With a load and an API's price: the API where privacy is no issue and the hardware would "
    "not pay for itself within its life (5 years where none is given), or cannot do the load.",
    "gives_up": "The next larger model that was asked about, and what it would do here.",
    "would_change": "The nearest thing that would make another choice: a lower pace, more memory, a measurement.",
}
