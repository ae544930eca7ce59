"""Divergences between laws, learned densities and samples."""
