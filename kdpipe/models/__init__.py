"""Model names, families and tasks, pairs of student and teacher, and start weights."""
