"""params.yaml: schema, reading, checks that need no other file, and Ultralytics' train arguments."""
