"""What fits, how fast, and which quantization, before anything is downloaded."""
