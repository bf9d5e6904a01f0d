"""Records and claims to terminal, Markdown, CSV; never runs anything."""
