"""Stages of dvc.yaml side by side: DVC says what is stale and keeps what came out, Ray runs it."""
