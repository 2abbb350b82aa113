"""Draw the HTML page: figures from the files of the report, pictures from the predictions."""
