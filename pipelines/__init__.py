"""Entry points of the stages of dvc.yaml, one module per stage; no stage imports another."""
