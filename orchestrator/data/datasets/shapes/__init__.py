"""The built-in data set: scenes of shapes, generators that draw them badly, raters who judge that."""

from orchestrator.data.datasets.shapes.loader import shapes

__all__ = ["shapes"]
