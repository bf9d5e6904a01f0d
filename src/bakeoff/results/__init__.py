"""The versioned records and the run file."""
