"""params.yaml: its schema, reading and checking it by itself, Ultralytics' arguments in it."""
