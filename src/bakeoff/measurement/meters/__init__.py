"""Meters: what a machine tells of itself while it is measured. One window at a time, each reading with its scope."""
