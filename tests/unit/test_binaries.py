"""Large binaries are found where something says that bytes stand there, and nowhere else (govern/binaries.py)."""

from __future__ import annotations

import base64
import json
import random
import time
from hashlib import sha256
from typing import Any

import pytest

from tallystick.app.acting.act import exact_arguments
from tallystick.govern.binaries import LARGE, may_be_binary, without_binaries
from tallystick.model.blob import Blob, reference, references

PNG = b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(20_000)
NOISE = random.Random(2).randbytes(20_000)


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def taken(value: Any) -> tuple[Any, dict[str, str]]:
    """The value afterwards, and the media types of what was taken, by digest."""
    held: dict[str, str] = {}

    def take(raw: bytes, kind: str) -> Blob:
        digest = sha256(raw).hexdigest()
        held[digest] = kind
        return Blob(digest, len(raw), kind)

    return without_binaries(value, take), held


def ref(raw: bytes, kind: str) -> dict[str, Any]:
    return reference(Blob(sha256(raw).hexdigest(), len(raw), kind))


FORMS: list[tuple[dict[str, Any], bytes, str, tuple[str, ...]]] = [
    (
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64(PNG)}"}},
        PNG, "image/png", ("image_url", "url"),
    ),
    (
        {"type": "input_audio", "input_audio": {"data": b64(NOISE), "format": "wav"}},
        NOISE, "audio/wav", ("input_audio", "data"),
    ),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": b64(NOISE)}},
        NOISE, "image/jpeg", ("source", "data"),
    ),
    ({"inline_data": {"data": b64(NOISE), "mime_type": "video/mp4"}}, NOISE, "video/mp4", ("inline_data", "data")),
    (
        {"inlineData": {"data": base64.urlsafe_b64encode(NOISE).decode(), "mimeType": "video/mp4"}},
        NOISE, "video/mp4", ("inlineData", "data"),
    ),
    ({"type": "blob", "mime_type": "application/pdf", "content": b64(NOISE)}, NOISE, "application/pdf", ("content",)),
    (
        {"type": "file", "file": {"file_data": f"data:application/pdf;name=a.pdf;base64,{b64(NOISE)}"}},
        NOISE, "application/pdf", ("file", "file_data"),
    ),
    ({"type": "image", "image": b64(PNG)}, PNG, "image/png", ("image",)),
    ({"b64_json": b64(PNG)}, PNG, "image/png", ("b64_json",)),
    ({"uri": "a://b", "mimeType": "x/y", "blob": base64.encodebytes(NOISE).decode()}, NOISE, "x/y", ("blob",)),
]  # fmt: skip


@pytest.mark.parametrize(("part", "raw", "kind", "path"), FORMS)
def test_forms(part: dict[str, Any], raw: bytes, kind: str, path: tuple[str, ...]) -> None:
    for value in (
        [{"role": "user", "content": [part, {"type": "text", "text": "what is it? ü"}]}],
        json.dumps([{"role": "user", "content": [part, {"type": "text", "text": "ü"}]}]),
        json.dumps({"role": "tool", "content": json.dumps({"a": [part]})}),
    ):
        made, held = taken(value)
        assert held == {sha256(raw).hexdigest(): kind}
        assert [one.sha256 for one in references(made)] == list(held)
        assert b64(raw)[:100] not in str(made)
        if isinstance(value, list):
            found = made[0]["content"][0]
        elif "tool" not in value[:20]:
            assert "\\u00fc" in made  # what was not taken is spelled as it was
            found = json.loads(made)[0]["content"][0]
        else:
            found = json.loads(json.loads(made)["content"])["a"][0]
        for key in path:
            found = found[key]
        assert found == ref(raw, kind)


def test_bare_texts_and_bytes() -> None:
    for value, kind in (
        (f"data:image/png;base64,{b64(PNG)}", "image/png"), (b64(PNG), "image/png"), (PNG, "image/png"),
    ):  # fmt: skip
        made, held = taken(value)
        assert json.loads(made) == ref(PNG, kind)
        assert held == {sha256(PNG).hexdigest(): kind}
    made, held = taken(f"look: data:;base64,{b64(NOISE)} and say")
    assert made.startswith('look: {"tallystick.blob"')
    assert made.endswith("} and say")
    assert len(held) == 1


def test_keys_stay_strings() -> None:
    made, held = taken(json.dumps({f"data:image/png;base64,{b64(PNG)}": 1}))
    assert [json.loads(key) for key in json.loads(made)] == [ref(PNG, "image/png")]
    assert held


@pytest.mark.parametrize(
    "value",
    [
        "x" * 100_000,
        "word " * 20_000,
        json.dumps({"text": "A" * 60_000, "mime_type": "text/plain"}),
        json.dumps({"content": "A" * 60_000, "type": "text"}),
        json.dumps([sha256(str(n).encode()).hexdigest() for n in range(2_000)]),
        "0123456789abcdef" * 4_000,
        b64(PNG[: LARGE - 10]),
        "data:image/png;base64," + "A" * 9_000 + "!" + "A" * 60_000,
        {"a": ["b" * 30_000, 1, None, True], "data": "short"},
        b"\x00" * LARGE,
    ],
)
def test_what_only_looks_like_it_stays(value: Any) -> None:
    made, held = taken(value)
    assert made is value
    assert not held


def test_the_first_look_misses_nothing() -> None:
    chance = random.Random(7)
    for _ in range(200):
        before = "é" * chance.randrange(0, 9_000)
        assert may_be_binary(before + b64(NOISE[: LARGE + 1]) + "é" * chance.randrange(0, 9_000))


def test_hostile_texts_cost_linear_time() -> None:
    pieces = ["data:a/b;base64," * 70_000, '"' * 1_000_000, "\\" * 1_000_000, "A" * 1_000_000, "{" * 1_000_000,
              ("A" * 22_000 + "!") * 45, json.dumps(["A" * 22_000] * 45), "data:" + ";a=b" * 250_000]  # fmt: skip
    began = time.process_time()
    for piece in pieces:
        taken(piece)
    assert time.process_time() - began < 5


def test_forged_references_are_bounded() -> None:
    bad = [
        {"tallystick.blob": {"sha256": "../../etc/passwd", "bytes": 1}}, {"tallystick.blob": 7},
        '"tallystick.blob":' * 9_000,
        {"tallystick.blob": {"sha256": "A" * 64, "bytes": 1}}, {"tallystick.blob": {"sha256": "a" * 64, "bytes": -1}},
    ]  # fmt: skip
    assert not list(references(bad))
    deep: Any = "x"
    for _ in range(5_000):
        deep = [deep]
    assert not list(references(deep))
    told = {
        "tallystick.blob": {"sha256": "a" * 64, "bytes": 5, "media_type": "text/html<script>", "kept": False}
    }
    for said in (told, json.dumps(told), json.dumps(json.dumps(told)), [{"x": json.dumps([told])}]):
        assert list(references(said)) == [Blob("a" * 64, 5, "application/octet-stream", kept=False)]


def test_who_approves_a_call_with_a_large_binary_sees_what_it_is() -> None:
    raw = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 5_000
    text = base64.b64encode(raw).decode()
    exact = exact_arguments({"picture": text, "to": "ann"}, bytes(16))
    assert [name for name, content in exact.contents.items() if content.keep] == ["to"]
    shown = exact.shown["picture"].value
    assert sha256(raw).hexdigest() in shown
    assert "image/png" in shown
    assert len(shown) < 300
    assert exact.values["picture"] == text  # what is decided on is what was given
