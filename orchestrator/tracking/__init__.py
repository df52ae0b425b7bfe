"""MLflow, the window: a local spool of what happened, and what carries it there."""
