"""G and C in d dimensions: E[act act'] of Gaussians as a series in the cosines of directions."""
