"""Sweeps: what to run (grid), where results live (store), how it runs (runner)."""
