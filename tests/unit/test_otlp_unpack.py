"""Content-Encoding: exact, complete, bounded."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from otlp_requests import STEADY

from tallystick.api.unpack import unpack
from tallystick.model.errors import BadInput, TooLarge

TEXT = b"".join(str(number).encode() for number in range(50_000))


def zstd_stream(plain: bytes) -> bytes:
    """A frame that does not say how long its content is."""
    maker = zstandard.ZstdCompressor().compressobj()
    return maker.compress(plain) + maker.flush()


PACKERS = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "zstd-stream": zstd_stream,
}


@pytest.mark.parametrize("packer", PACKERS)
@STEADY
@given(plain=st.binary(max_size=3000))
def test_round_trip(packer: str, plain: bytes) -> None:
    assert unpack(PACKERS[packer](plain), packer.split("-")[0], limit=3000) == plain


@pytest.mark.parametrize("packer", PACKERS)
def test_the_limit_is_exact(packer: str) -> None:
    packed, encoding = PACKERS[packer](TEXT), packer.split("-")[0]
    assert unpack(packed, encoding, limit=len(TEXT)) == TEXT
    with pytest.raises(TooLarge):
        unpack(packed, encoding, limit=len(TEXT) - 1)


@pytest.mark.parametrize("packer", ["gzip", "zstd", "zstd-stream"])
def test_several_members_or_frames(packer: str) -> None:
    packed, encoding = PACKERS[packer](TEXT) + PACKERS[packer](b"tail"), packer.split("-")[0]
    assert unpack(packed, encoding, limit=len(TEXT) + 4) == TEXT + b"tail"
    with pytest.raises(TooLarge):
        unpack(packed, encoding, limit=len(TEXT) + 3)


@pytest.mark.parametrize("packer", ["gzip", "deflate", "zstd", "zstd-stream"])
def test_every_cut_is_refused(packer: str) -> None:
    plain = TEXT[:2000]
    packed, encoding = PACKERS[packer](plain), packer.split("-")[0]
    for cut in range(1, len(packed)):
        with pytest.raises(BadInput):
            unpack(packed[:cut], encoding, limit=10_000)


@pytest.mark.parametrize("packer", ["gzip", "deflate", "zstd", "zstd-stream"])
def test_a_bomb_is_stopped_early(packer: str) -> None:
    bomb = PACKERS[packer](bytes(64 * 1024 * 1024))
    assert len(bomb) < 300_000
    with pytest.raises(TooLarge):
        unpack(bomb, packer.split("-")[0], limit=1_000_000)


def test_noise_is_refused() -> None:
    noise = random.Random(7).randbytes(500)
    for encoding in ("gzip", "deflate", "zstd"):
        with pytest.raises(BadInput, match=encoding):
            unpack(noise, encoding, limit=10_000)
    with pytest.raises(BadInput, match="'br' is not known"):
        unpack(noise, "br", limit=10_000)
