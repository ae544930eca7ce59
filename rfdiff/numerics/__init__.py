"""Numerical methods that know nothing of diffusion: rules, panels, interpolation, bootstrap."""
