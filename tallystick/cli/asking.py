"""Commands that take a query: a term with "-" before it is no option."""

from __future__ import annotations

import click


class Asking(click.Command):
    """A command whose arguments may be negated terms (``-owner:payments``, ``-shadow``); options have two dashes."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put negated terms where click takes everything as it is; their order does not matter."""
        if "--" not in args:
            terms = [one for one in args if len(one) > 2 and one[0] == "-" and one[1] != "-"]
            args = [one for one in args if one not in terms]
            if terms:
                args += ["--", *terms]
        return super().parse_args(ctx, args)
