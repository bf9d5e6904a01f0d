"""The formulas, once; meters for memory."""
