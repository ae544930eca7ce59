"""Characteristics of the probability flow of a 1-D ReLU score: every kink is met exactly."""
