"""Figures in many dimensions: what vectors learn, and when they memorise."""
