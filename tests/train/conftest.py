"""Makes toy_task importable, in spawned processes too: they are given this process's import path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
