"""Tracking in MLflow: recorder, spool, uploader and sink."""
