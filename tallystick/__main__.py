"""``python -m tallystick`` is the same as ``tally``."""

from tallystick.cli import main

main()
