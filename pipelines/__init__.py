"""The stages of dvc.yaml, one module each; no stage imports another."""
