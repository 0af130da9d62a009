"""What a long conversation costs on the disk: each model call sends the whole history again.

A chat of N turns is written through the recorder, one batch a call, as an agent sends it; messages have about 400
characters of prose. *whole*: bytes of all calls' attributes as JSON, which is what storing each request whole takes;
*zstd*: the same, each call compressed by itself; *floor*: every message once. Then what the store grows by for a chat,
hot and archived, over 40 chats with an empty store's size taken off.

Run: python bench/conversation.py [--turns 15 30 60 120] [--json]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import zstandard

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.ingest_core import START_NS, Clock
from bench.large_store import SOURCE
from bench.load import Text
from bench.process import folder_bytes
from tallystick.adapters.parquet import ParquetArchive
from tallystick.adapters.sqlite.traces import SqliteTraces
from tallystick.app.recording.record import Recorder
from tallystick.model.span import Span
from tallystick.wiring.machine import rate_card

TURNS = (15, 30, 60, 120)
CHATS = 40
SECOND = 1_000_000_000
TARGET = 10.0
FOREVER = 2**62


def chat(turns: int, number: int, text: Text) -> list[Span]:
    """One chat as spans: a root and a model call a turn, each with the history up to it."""
    trace, history = f"{number + 1:032x}", []
    made: list[Span] = []
    root = f"{number * 1000 + 1:016x}"
    start = START_NS - 90 * 86_400 * SECOND
    for turn in range(turns):
        history.append({"role": "user", "parts": [{"type": "text", "content": text.take(400)}]})
        answer = {"role": "assistant", "parts": [{"type": "text", "content": text.take(400)}]}
        begun = start + turn * SECOND
        said = {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": 100 * (2 * turn + 1), "gen_ai.usage.output_tokens": 100,
            "gen_ai.input.messages": json.dumps(history), "gen_ai.output.messages": json.dumps([answer]),
        }  # fmt: skip
        span, name = f"{number * 1000 + turn + 2:016x}", "chat gpt-4o-mini"
        made.append(Span(trace, span, root, name, begun, begun + SECOND, SOURCE, 3, 1, "", said))
        history.append(answer)
    about = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "desk"}
    made.append(
        Span(trace, root, None, "invoke_agent desk", start, start + turns * SECOND, SOURCE, 1, 1, "", about)
    )
    return made


def measure(turns: int) -> dict[str, Any]:
    """Bytes a chat of so many turns."""
    text = Text(random.Random(7))
    pack = zstandard.ZstdCompressor(level=3).compress
    whole = alone = once = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = SqliteTraces(folder / "traces.db", archive=ParquetArchive(folder / "archive"))
        recorder = Recorder(store, rate_card(), Clock())
        empty = folder_bytes(folder)
        for number in range(CHATS):
            for span in chat(turns, number, text):
                recorder.record([span])
                body = json.dumps(dict(span.attributes)).encode()
                whole, alone = whole + len(body), alone + len(pack(body))
            once += 2 * turns * 460
        hot = _bytes(store, folder) - empty
        store.archive(before=FOREVER, now=FOREVER)
        store.tidy(now=FOREVER)
        cold = _bytes(store, folder) - empty
        store.close()
    return {
        "turns": turns, "whole": whole // CHATS, "zstd": alone // CHATS, "floor": once // CHATS, "hot": hot // CHATS,
        "archived": cold // CHATS, "whole to hot": round(whole / hot, 1), "whole to archived": round(whole / cold, 1),
    }  # fmt: skip


def _bytes(store: SqliteTraces, folder: Path) -> int:
    """What a store takes on the disk, without room that SQLite keeps for later."""
    store._database.vacuum()
    return folder_bytes(folder)


def main() -> None:
    """Measure and print; exit code 1 where 60 turns miss the target."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, nargs="+", default=list(TURNS))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = [measure(turns) for turns in given.turns]
    if given.json:
        print(json.dumps(rows, indent=1))
    else:
        names = list(rows[0])
        print("| " + " | ".join(names) + " |\n" + "|---:" * len(names) + "|")
        for row in rows:
            print("| " + " | ".join(f"{row[name]:,}" for name in names) + " |")
    if any(row["turns"] == 60 and row["whole to hot"] < TARGET for row in rows):
        raise SystemExit("a chat of 60 turns takes more than a tenth of its requests stored whole")


if __name__ == "__main__":
    main()
