"""Kernels of G and C: hinges on the line, Hermite coefficients and pairs of directions beyond."""
