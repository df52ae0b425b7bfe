"""Tables as people export them: text, workbooks, Parquet and JSON lines, normalised to named columns of text."""
