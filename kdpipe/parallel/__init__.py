"""Run stages in parallel, on one machine or on a Ray cluster, and search for the best `dis`."""
