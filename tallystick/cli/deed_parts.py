"""What the commands about effects need from the rest of the house; see parts.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tallystick.app.acting.effect_desk import EffectDesk
    from tallystick.wiring import Stores


class DeedParts:
    """The real parts."""

    def desk(self, stores: Stores) -> EffectDesk:
        """Answers questions about effects, and settles them."""
        from tallystick import wiring

        return wiring.deeds.effect_desk(stores)

    def reconcile(self, stores: Stores, effect: str | None, **options: Any) -> Mapping[str, Any]:
        """Settle effects in doubt by the reads that their tools declare."""
        from tallystick import wiring

        return wiring.deeds.reconcile(stores, effect, **options)

    def undo(self, stores: Stores, run: str, step: str, *, module: str) -> Mapping[str, Any]:
        """Take the effect of a step back."""
        from tallystick import wiring

        return wiring.deeds.undo(stores, run, step, module=module)
