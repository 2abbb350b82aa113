"""What is trained, where its files are, its record and history, and unfinished work."""
