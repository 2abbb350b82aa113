"""Build the benchmark from the runs in MLflow: comparisons, tables, files."""
