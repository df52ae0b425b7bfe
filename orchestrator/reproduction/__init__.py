"""The paper's tables: run, compared with its figures, and reported."""
