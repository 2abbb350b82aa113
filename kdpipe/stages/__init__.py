"""Do the work of the stages of dvc.yaml, one module per stage."""
