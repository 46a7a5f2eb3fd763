"""Video in and out: reading, choosing frames, motion, preparation for models, writing."""
