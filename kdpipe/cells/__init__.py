"""Trainings: names, folders, records, histories and unfinished work."""
