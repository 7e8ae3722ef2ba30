"""History of sources: series, trips and figures, and the rollups that answer them quickly."""
