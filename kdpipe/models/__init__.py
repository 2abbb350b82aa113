"""Model names, families and tasks; which student learns from which teacher; start weights."""
