"""What people look at: figures and a page, made of the report's own files; pictures, of the predictions."""
