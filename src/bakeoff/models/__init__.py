"""Architectures, quantization recipes, file headers, the catalogue, synthetic weights."""
