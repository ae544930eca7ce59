"""The training loss as a quadratic of θ: assembled exactly in the noise."""
