"""Names of the files in the folder of a training."""

EPOCHS = "epochs.jsonl"
"""File with one line of metrics per epoch."""

PREDICTIONS = "predictions.csv"
"""File with the test predictions of a confirm run."""

MODEL = "model"
"""Folder with the saved model."""

LOG = "log.txt"
"""File with the output of a run: what its process prints, warnings, logged lines, tracebacks."""

EARLIER_LOG = "log.1.txt"
"""File with the earlier output of a run whose log was rotated."""
