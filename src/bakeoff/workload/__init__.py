"""What is asked of an engine: prompts and shapes."""
