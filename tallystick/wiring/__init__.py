"""The fuse box: the only place that picks adapters and puts rooms, doors and drains together.

One file for each thing that is put together: the stores of a folder, a project, an agent's process, the server, the
journal's keys and witnesses. Everything is imported when it is asked for, so that ``tally --help`` and an agent's
import load nothing they do not use.
"""

from tallystick.config.place import find_store
from tallystick.wiring import exchange, identity, keeping, loss, people, policing, release
from tallystick.wiring.agent import flush, init, run_env, shutdown
from tallystick.wiring.feed import feed_trouble
from tallystick.wiring.machine import clock, ids, rate_card
from tallystick.wiring.project import apply, check_policies, plan, policy_desk, policy_file, sketch
from tallystick.wiring.server import build_app, serve
from tallystick.wiring.stores import (
    Stores,
    adopt,
    attest,
    catalog,
    eraser,
    notary,
    open_stores,
    reader,
    recorder,
)

__all__ = [
    "Stores", "adopt", "apply", "attest", "build_app", "catalog", "check_policies", "clock", "eraser", "exchange",
    "feed_trouble", "find_store", "flush", "identity", "ids", "init", "keeping", "loss", "notary", "open_stores",
    "people", "plan", "policing", "policy_desk", "policy_file", "rate_card", "reader", "recorder", "release",
    "run_env", "serve", "shutdown", "sketch",
]  # fmt: skip
