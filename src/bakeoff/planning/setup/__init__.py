"""The steps from a bare machine to a first measurement, as a script that one can read, save and run."""
