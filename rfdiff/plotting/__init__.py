"""Figures: functions that draw given arrays on given Axes. The only importers of matplotlib.

Nothing here computes, touches pyplot or changes rcParams. Import the submodule you need:
`from rfdiff.plotting.curves import plot_kl`.
"""
