"""``tally demo``: the refund desk, played and then shown."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tallystick.cli.clean import one_line
from tallystick.cli.invocation import Invocation, common


@click.command()
@click.option(
    "--headless", is_flag=True, help="Play the scenes and stop; exit code 3 when one does not agree."
)
@click.option("--host", help="Address of the pages afterwards.")
@click.option("--port", help="Port of the pages afterwards; 0 picks a free one.")
@common
def demo(call: Invocation, headless: bool, host: str | None, port: str | None) -> int:
    """Play the refund desk and show it: real agents, tools and database, a scripted model; no key, no network.

    Each scene is checked against what the store and the order database say afterwards.
    """
    call.flag(host=host, port=port)
    out = call.out
    settings = call.settings  # a mistake in the settings is told before anything is played
    # Unless a store is asked for by name the demo makes its own, so that it never mixes with recorded work.
    asked = settings.store if settings.origins["store"].startswith("flag") else None

    def on_scene(scene: Mapping[str, Any]) -> None:
        if not out.as_json:
            _tell(call, scene)

    def on_start(name: str, title: str) -> None:
        if out.talks:
            out.say(f"▶ {title}")

    answer = call.parts.play(asked, on_scene, on_start)
    agreed = bool(answer["scenes"]) and all(scene["agrees"] for scene in answer["scenes"])
    if out.as_json:
        out.json(dict(answer))
    if not headless:
        out.say(f"store {answer['store']}")
        _tell_proof(call, answer)
        call.parts.serve_demo(Path(answer["store"]), settings)
    elif not out.as_json:
        out.say("every scene agrees" if agreed else "some scenes do not agree")
        out.say(f"look into them: tally runs ls --store {answer['store']}")
        _tell_proof(call, answer)
    return 0 if agreed else 3


def _tell(call: Invocation, scene: Mapping[str, Any]) -> None:
    mark = "✓" if scene["agrees"] else "✗"
    name = one_line(str(scene["name"]))
    call.out.line(
        f"{mark} {name}: {one_line(str(scene['observed']))}", style="green" if scene["agrees"] else "red"
    )
    if not scene["agrees"]:
        call.out.line(f"  expected: {one_line(str(scene['expected']))}")


def _tell_proof(call: Invocation, answer: Mapping[str, Any]) -> None:
    """How to prove one of the scenes to somebody who was not there: the one that a person approved, if it is there."""
    scenes = answer["scenes"]
    if not scenes:
        return
    scene = next((one for one in scenes if one["name"] == "held-then-approved"), scenes[0])
    store = shlex.quote(str(answer["store"]))
    call.out.say(f"prove one ({scene['name']}):")
    call.out.say(f"  tally evidence {str(scene['run'])[:12]} --store {store} -o refund.evidence.jsonl")
    call.out.say(f'  tally verify refund.evidence.jsonl --key "$(tally journal key --store {store})"')
