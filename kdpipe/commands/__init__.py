"""What each command of `kdpipe` does."""
