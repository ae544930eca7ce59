"""Numba kernels on plain arrays: randomness handed in, outputs independent of the thread count."""
