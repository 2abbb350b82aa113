"""Stages side by side, on one machine or on a Ray cluster, and the search for the best `dis`."""
