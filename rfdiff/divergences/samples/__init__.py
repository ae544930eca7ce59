"""Distances between samples, and of samples from training points; all but one in any dimension."""
