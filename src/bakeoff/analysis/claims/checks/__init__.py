"""One module for each kind of claim: what arithmetic, physics, the planner and others' measurements say of it."""
