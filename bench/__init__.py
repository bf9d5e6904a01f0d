"""Is Bakeoff itself accurate? Its timing, its start, its synthetic weights and its fair trial, measured."""
