"""Talk to one engine each; the timing transport; launch and attach."""
