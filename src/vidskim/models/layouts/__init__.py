"""Where other people's checkpoints keep what our trunks need: one file a family, all of it data.

`layout.py` has the record and the strict translation, `clip.py` and `vit.py` the names, `stated.py` reads config.json
and preprocessor_config.json.
"""
