"""Fits the planner's numbers on published measurements, and writes how well they predict chips left out."""
