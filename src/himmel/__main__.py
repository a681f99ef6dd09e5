"""``python -m himmel`` is the same as ``himmel``."""

import sys

from himmel.cli.app import main

sys.exit(main())
