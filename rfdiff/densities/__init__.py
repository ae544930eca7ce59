"""Learned densities p_{t,θ} in three senses: score integral, probability flow, reverse SDE."""
