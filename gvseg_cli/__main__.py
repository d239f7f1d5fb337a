"""`python -m gvseg_cli`: the command without its entry point."""

from __future__ import annotations

import sys

from gvseg_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
