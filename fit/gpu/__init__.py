"""The page on one large GPU, docs/gpu.md, out of the run files in examples/h100: ``python -m fit.gpu`` writes it."""
