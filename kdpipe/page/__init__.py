"""What people look at: figures and a page, made of the report's own files and nothing else."""
