"""What a scene is: what should be true, what is found to be true, and the function that plays it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tallystick.demo.stage import Stage


@dataclass(frozen=True, slots=True)
class Scene:
    """What a scene showed. ``run`` is the run to look at."""

    run: str
    expected: str
    observed: str


@dataclass(frozen=True, slots=True)
class Act:
    """A scene that can be played: its name, one sentence for people, and the function that plays it."""

    name: str
    title: str
    play: Callable[[Stage], Scene]
