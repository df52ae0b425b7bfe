"""Names of the files in the folder of a training."""

EPOCHS = "epochs.jsonl"
"""File with one line of metrics per epoch."""

PREDICTIONS = "predictions.csv"
"""File with the test predictions of a confirm run."""

MODEL = "model"
"""Folder with the saved model."""
