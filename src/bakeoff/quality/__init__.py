"""Tasks, graders, the sandbox for generated code, and what a reasoning text shows."""
