"""How fast a whole scan is, against the least that Temporal itself needs for work of its shape."""
