"""Do the work of the commands of `kdpipe`, one module per command."""
