"""Trained models in MLflow and on disk: resolution, scoring, verification, export, promotion."""
