"""The law of the reverse SDE [3], by a Fokker–Planck solve."""
