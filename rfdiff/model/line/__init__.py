"""Scores on the line as functions of x: their x-integral, and their table of linear pieces."""
