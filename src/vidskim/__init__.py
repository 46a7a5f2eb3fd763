"""Video in, features out, compute spent where the video changes."""
