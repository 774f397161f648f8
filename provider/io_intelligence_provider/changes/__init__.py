"""Compare two days: what changed, which changes somebody asked to hear of, who was told what."""
