"""Power laws in measured curves: exponents with intervals, slopes, straightness and its power."""
