"""Theory of vectors: the bound by Monte Carlo, and the spectrum of G in high dimensions."""
