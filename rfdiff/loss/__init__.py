"""What a loss is, and the same loss as a quadratic of θ, exact in the noise."""
