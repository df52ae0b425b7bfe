"""The built-in dataset's world: scenes of shapes, generators that draw them badly, raters who judge that."""
