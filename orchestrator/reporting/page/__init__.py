"""Report page of a sweep: one HTML file with its charts, readable without a network."""
