"""The random-feature model: features, its score, and the score's integral over x."""
