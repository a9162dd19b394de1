"""``python build.py SCENE -o DIR``: the same as ``vitrine build``."""

import sys

from pybuild.cli import main

if __name__ == "__main__":
    sys.exit(main(["build", *sys.argv[1:]]))
