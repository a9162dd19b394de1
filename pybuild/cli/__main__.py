"""``python -m pybuild.cli`` is the ``vitrine`` command."""

import sys

from pybuild.cli import main

sys.exit(main())
