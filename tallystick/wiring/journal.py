"""The fuse box, the journal: which files hold keys and checkpoints, who co-signs, where copies go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick.config import Settings
from tallystick.model.errors import TallystickError
from tallystick.ports import Clock, ControlStore, Signer, Traces

if TYPE_CHECKING:
    from tallystick.adapters.checkpoint_log import CheckpointLog
    from tallystick.adapters.state_file import StateFile
    from tallystick.app.prove.checkpoints import Signed
    from tallystick.app.prove.evidence import EvidenceDesk
    from tallystick.app.prove.journalbook import JournalBook
    from tallystick.app.prove.keeping import Keeper
    from tallystick.app.prove.notary import Notary
    from tallystick.cost.rates import RateCard
    from tallystick.wiring.stores import Stores

_STATES = "checkpoints.json"
_STOP_WITHIN_S = 30.0


def kept(path: Path) -> CheckpointLog:
    """The checkpoints beside the journal of a store folder."""
    from tallystick.adapters.checkpoint_log import LOG_FILE, CheckpointLog

    return CheckpointLog(path / LOG_FILE)


def guard(control: ControlStore, path: Path) -> None:
    """Refuse a journal that does not lead on from its last kept checkpoint. Raises StoreFault."""
    log = kept(path)
    if not log.path.exists():
        return  # nothing was ever signed here
    from tallystick.app.prove.checkpoints import guard_continuity

    guard_continuity(control, log)


def key_file(path: Path, settings: Settings) -> Path:
    """Where the journal's private key is, or will be."""
    from tallystick.adapters.signer import KEY_FILE

    return settings.journal_key or path / KEY_FILE


def signer(path: Path, settings: Settings) -> Signer:
    """What signs for the journal of a store folder; the key is made when there is none. Raises StoreFault."""
    from tallystick.adapters.signer import open_signer

    return open_signer(key_file(path, settings), name=settings.journal_origin)


def sign_answers(path: Path, settings: Settings) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """Puts the journal's signature to answers to approvals, as a DSSE envelope; see ``app.acting.approvals.answer``."""

    def sign(given: Mapping[str, Any]) -> Mapping[str, Any]:
        """An envelope over one answer. Raises StoreFault where the key cannot be used: then nothing is answered."""
        from tallystick.model.canonical import canonical_json
        from tallystick.proof.dsse import sign_envelope
        from tallystick.proof.keys import VerifierKey
        from tallystick.proof.statements import answer_statement

        by = signer(path, settings)
        return sign_envelope(
            canonical_json(answer_statement(given)), VerifierKey.parse(by.verifier_key), by.sign
        )

    return sign


def evidence_desk(
    traces: Traces, control: ControlStore, path: Path, settings: Settings, *, rates: RateCard, clock: Clock,
    say: Callable[[str], None],
) -> EvidenceDesk:  # fmt: skip
    """Where evidence of a store folder's runs is made."""
    from tallystick import __version__
    from tallystick.app.prove.evidence import EvidenceDesk

    return EvidenceDesk(
        traces, control, notary(traces, control, clock), keeper(control, path, settings, say).keep,
        partial(signer, path, settings), rates, clock, f"tallystick {__version__}",
    )  # fmt: skip


def evidence_maker(
    stores: Stores, settings: Settings, rates: RateCard, say: Callable[[str], None]
) -> Callable[[str, bool], Iterator[bytes]]:
    """Makes the evidence file of one run, piece by piece, for the pages: called with the run and whether to redact."""

    def make(run: str, redact: bool) -> Iterator[bytes]:
        """The file's bytes. Raises UnknownThing and StoreFault."""
        from tallystick.adapters.clock import SystemClock

        clock = SystemClock()
        desk = evidence_desk(
            stores.traces, stores.control, stores.path, settings, rates=rates, clock=clock, say=say
        )
        return desk.evidence(run, redact=redact)

    return make


def operator() -> str:
    """The name under answers given on the pages: without sign-in as a person, it is whoever runs the server."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "local"  # a container's user may have no name


def notary(traces: Traces, control: ControlStore, clock: Clock) -> Notary:
    """What brings a trace store's records into the journal."""
    from tallystick.app.prove.notary import Notary

    return Notary(traces, control, clock)


def rotate_key(control: ControlStore, path: Path, settings: Settings, *, because: str) -> str:
    """Make a new key, enter it in the journal, retire the one before; gives the new public key."""
    from tallystick.adapters.signer import rotate
    from tallystick.app.prove.checkpoints import enrol

    enrol(control, signer(path, settings))  # a key that signed nothing yet is entered before it is retired
    made = rotate(key_file(path, settings), name=settings.journal_origin)
    enrol(control, made, because=because)
    return made.verifier_key


def _states(path: Path) -> StateFile:
    from tallystick.adapters.state_file import StateFile

    return StateFile(path / _STATES)


def keeper(control: ControlStore, path: Path, settings: Settings, say: Callable[[str], None]) -> Keeper:
    """Makes checkpoints of a store folder's journal and passes them on to witnesses and exports."""
    from tallystick.adapters.exports import target_of
    from tallystick.adapters.witness_door import witness_of
    from tallystick.app.prove.keeping import Keeper

    return Keeper(
        control, partial(signer, path, settings), kept(path), _states(path),
        [target_of(item) for item in settings.checkpoint_export],
        [witness_of(item) for item in settings.witnesses], say,
    )  # fmt: skip


def book(stores: Stores, settings: Settings) -> JournalBook:
    """The journal of open stores as people look at it."""
    from tallystick.adapters.clock import SystemClock
    from tallystick.adapters.exports import target_of
    from tallystick.adapters.witness_door import witness_of
    from tallystick.app.prove.audit import audit
    from tallystick.app.prove.journalbook import JournalBook

    return JournalBook(
        stores.control, kept=kept(stores.path), states=_states(stores.path),
        targets=[target_of(item) for item in settings.checkpoint_export],
        witnesses=[witness_of(item) for item in settings.witnesses],
        audited=lambda: audit(stores.traces, stores.control, SystemClock()),
    )  # fmt: skip


def at_exit(
    control: ControlStore, aside: Callable[[], ControlStore], path: Path, settings: Settings,
    say: Callable[[str], None],
) -> Callable[[], None]:  # fmt: skip
    """What an agent's process does when it ends: sign the journal's head, if the journal grew meanwhile.

    ``aside`` opens the journal for that, with little patience: an agent's end waits for no signature.
    """
    before, _ = control.head()

    def sign() -> None:
        """Make a checkpoint; passing it on is the server's work."""
        from tallystick.app.prove.checkpoints import make_checkpoint

        try:
            if control.head()[0] > before:
                with closing(aside()) as own:
                    make_checkpoint(own, partial(signer, path, settings), kept(path))
        except (
            TallystickError
        ) as error:  # the agent's work is done and journalled; only its signature is missing
            say(f"no checkpoint was signed: {error.message}" + (f" ({error.hint})" if error.hint else ""))

    return sign


def reopen(
    control: ControlStore, path: Path, settings: Settings, *, because: str, by: str
) -> tuple[Signed, Path | None]:
    """Admit that history was lost; see ``app.prove.checkpoints.reopen``."""
    from tallystick.app.prove.checkpoints import reopen as admit

    return admit(control, partial(signer, path, settings), kept(path), because=because, by=by)


def mirror(control: ControlStore, folder: Path) -> tuple[Signed, int]:
    """Bring a copy of the journal (tlog-tiles) up to its newest checkpoint."""
    from tallystick.adapters.tile_folder import TileFolder
    from tallystick.app.prove.mirror import mirror as bring_up

    return bring_up(control, TileFolder(folder))


class Schedule:
    """A checkpoint at once, every ``every_s`` seconds while the journal grows, and one at the end."""

    def __init__(self, keeper: Keeper, every_s: int, say: Callable[[str], None]) -> None:
        self._keeper = keeper
        self._every_s = every_s
        self._say = say
        self._told: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tallystick-checkpoints", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the schedule with a last checkpoint."""
        self._stopping.set()
        self._thread.join(_STOP_WITHIN_S)
        self._keep()

    def _run(self) -> None:
        self._keep()
        while not self._stopping.wait(self._every_s):
            self._keep()

    def _keep(self) -> None:
        try:
            self._keeper.keep()
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the schedule
            said = error.message if isinstance(error, TallystickError) else repr(error)
            if said != self._told:  # the same trouble is told once
                self._told = said
                self._say(f"no checkpoint was signed: {said}")
        else:
            self._told = None


# ── a witness ───────────────────────────────────────────────────────────────────────────────────────────────────


def serve_witness(
    logs: Sequence[str], *, key: Path, state: Path, name: str | None, host: str, port: int, alarm: str | None,
    clock: Clock, say: Callable[[str], None], ready: Callable[[str, str], None],
) -> None:  # fmt: skip
    """Serve a witness until interrupted; ``ready`` is told its public key and its address.

    Raises BadInput for a log's key that is none, ConfigError for an address that cannot be had.
    """
    from tallystick.adapters.signer import open_signer
    from tallystick.adapters.state_file import StateFile
    from tallystick.api import server
    from tallystick.api.witness import WitnessApp
    from tallystick.app.prove.witnessing import Witness
    from tallystick.proof.keys import COSIGNATURE, VerifierKey

    watched = [VerifierKey.parse(text) for text in logs]
    by = open_signer(key, name=name, algorithm=COSIGNATURE)
    memory = StateFile(state / "witness.json", durable=True)
    witness = Witness(by, watched, memory, clock, partial(_alarm, say, alarm))
    opened = server.listen(host, port, token=None, to_all=True)
    server.run(
        WitnessApp(witness), [opened], on_ready=lambda: ready(by.verifier_key, server.address_of(opened))
    )


def _alarm(say: Callable[[str], None], url: str | None, fork: Mapping[str, Any]) -> None:
    word = "ALARM" if fork["proven"] else "WARNING"
    say(f"{word}: {fork['origin']} at {fork['size']} entries: {fork['reason']}; both notes are kept")
    if url is not None and fork["proven"]:
        threading.Thread(target=_post_alarm, args=(say, url, fork), daemon=True).start()


def _post_alarm(say: Callable[[str], None], url: str, fork: Mapping[str, Any]) -> None:
    import msgspec

    from tallystick.adapters.posting import post, shown

    try:
        answer = post(url, msgspec.json.encode({"alarm": "fork", **fork}), "application/json")
    except TallystickError as error:
        say(f"the alarm could not be posted: {error.message}")
    else:
        if not 200 <= answer.status < 300:
            say(f"the alarm could not be posted: {shown(url)} answered HTTP {answer.status}")
