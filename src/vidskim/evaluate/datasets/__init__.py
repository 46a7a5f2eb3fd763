"""Data sets of videos with sentences, read in their official annotation formats; one file each."""
