"""The only place where an engine, a workload and an instrument meet."""
