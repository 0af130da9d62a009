"""The journal's key: made once whoever asks first, readable by its owner alone, replaced and never forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.adapters.signer import KEY_FILE, open_signer, read_signer, rotate
from tallystick.model.errors import BadInput, ConfigError, StoreFault
from tallystick.proof.keys import COSIGNATURE, ED25519, VerifierKey, verify_ed25519

ROOT = Path(__file__).resolve().parents[2]


def test_a_key_is_made_once_and_signs(tmp_path: Path) -> None:
    path = tmp_path / "deep" / KEY_FILE
    signer = open_signer(path)
    key = VerifierKey.parse(signer.verifier_key)
    assert key.type == ED25519
    assert key.name.startswith("tallystick.local/")
    assert verify_ed25519(key.public, b"message", signer.sign(b"message"))
    assert not verify_ed25519(key.public, b"other", signer.sign(b"message"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "deep" / "journal.pub").read_text() == f"{signer.verifier_key}\n"
    assert open_signer(path).verifier_key == signer.verifier_key
    assert sorted(file.name for file in path.parent.iterdir()) == ["journal.key", "journal.pub"]


def test_a_key_keeps_its_name(tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE
    assert open_signer(path, name="example.com/log").verifier_key.startswith("example.com/log+")
    assert open_signer(path).verifier_key.startswith("example.com/log+")
    with pytest.raises(ConfigError, match="and 'example"):
        open_signer(path, name="example.com/other")
    with pytest.raises(BadInput):
        open_signer(tmp_path / "new.key", name="a name with spaces")
    witness = open_signer(tmp_path / "witness.key", algorithm=COSIGNATURE)
    assert VerifierKey.parse(witness.verifier_key).type == COSIGNATURE


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / KEY_FILE
    open_signer(path)
    path.chmod(mode)
    with pytest.raises(StoreFault, match="others on this machine may read") as caught:
        open_signer(path)
    assert f"chmod 600 {path}" in (caught.value.hint or "")


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"PRIVATE+KEY+x", b"nothing+of+the+kind\n"])
def test_a_file_that_is_no_key_is_refused_and_left(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / KEY_FILE
    path.write_bytes(damage)
    path.chmod(0o600)
    with pytest.raises(StoreFault, match="does not hold a signing key"):
        open_signer(path)
    assert path.read_bytes() == damage


def test_a_key_whose_id_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE
    open_signer(path, name="one")
    text = path.read_text().replace("PRIVATE+KEY+one+", "PRIVATE+KEY+two+")
    path.write_text(text)
    with pytest.raises(StoreFault):
        read_signer(path)


def test_a_new_key_takes_the_place_and_the_old_public_key_stays(tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE
    first = open_signer(path).verifier_key
    second = rotate(path).verifier_key
    assert open_signer(path).verifier_key == second != first
    assert second.split("+")[0] != first.split("+")[0]  # a name made from the key changes with it
    assert (tmp_path / "journal.pub").read_text().split() == [second, first]
    named = tmp_path / "named.key"
    open_signer(named, name="example.com/log")
    assert rotate(named).key.name == "example.com/log"
    assert path.stat().st_mode & 0o777 == 0o600


ASK = "import sys; from pathlib import Path; from tallystick.adapters.signer import open_signer\n"
ASK += "sys.stdin.read(); print(open_signer(Path(sys.argv[1])).verifier_key)"


def test_of_many_processes_that_make_a_key_one_wins(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ASK, str(tmp_path / KEY_FILE)]
    pipe = subprocess.PIPE
    asking = [subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) for _ in range(6)]
    for process in asking:  # all have started and wait: now they go together
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    told = {process.communicate(timeout=60)[0] for process in asking}
    assert len(told) == 1
    assert told.pop().decode().strip() == read_signer(tmp_path / KEY_FILE).verifier_key
