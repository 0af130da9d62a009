"""The detectors that come with Tallystick."""

from __future__ import annotations

from typing import Final

from tallystick.govern.detectors.exfiltration import Exfiltration
from tallystick.govern.detectors.hidden import Hidden
from tallystick.govern.detectors.instructions import Instructions
from tallystick.govern.detectors.markup import Encoded, Markup
from tallystick.govern.detectors.sign import Detector

SHIPPED: Final[tuple[Detector, ...]] = (Instructions(), Hidden(), Markup(), Encoded(), Exfiltration())
