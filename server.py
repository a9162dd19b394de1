"""``python server.py DIR``: the same as ``vitrine serve``."""

import sys

from pybuild.cli import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
