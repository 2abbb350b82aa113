"""Everything that can be known to be wrong before any training time is spent."""
