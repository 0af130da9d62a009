"""The words by which a draft tells what a tool does and what its arguments are for.

Where no word is known the worst case is drafted: the effect is irreversible, the argument has authority.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from tallystick.model.labels import Role
from tallystick.model.step import Effect

_PARTS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")


def _set(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_READS: Final = _set(
    "analyze browse calculate check compare compute convert count describe detect download estimate evaluate explain",
    "extract fetch filter find get has inspect is list load lookup look measure parse peek preview query quote rank",
    "read recommend retrieve return scan search see show sort status summarize tail translate validate verify view",
)
_WRITES: Final = _set(
    "add append archive assign copy create draft edit insert label log make mark modify move new prepare put record",
    "register rename reschedule save schedule set star store tag update upload write",
)
_FINAL: Final = _set(
    "accept answer approve block book buy call cancel charge clear close commit confirm delete deploy dial disable",
    "drop email enable erase execute forward grant invite kill mail merge message notify open order pay post publish",
    "purchase refund reject release remove reply reserve reset respond revoke run sell send share ship sign start",
    "stop submit subscribe terminate transfer trash unshare unsubscribe wire withdraw",
)
# What a description says beside the verb of the name: then others hear of it, and it cannot be taken back.
_OUTWARD: Final = re.compile(
    r"(?i)\b(e-?mails?|emailing|sends?|sending|notif\w+|invit(?:es?|ing)|publish\w*)\b"
)
_SAYS: Final = _set(
    "body caption comment content contents description details explanation headline html letter markdown memo message",
    "note notes prompt reason remark reply review snippet subject summary text title topic",
)
_WHEN: Final = _set(
    "date day deadline due duration end hour minute month start time timestamp timezone until week year"
)
_NAMES: Final = _set("filename label name title")
_MAKES: Final = _set("add create draft make new register save upload write")
_PLACES: Final = _set("domain endpoint host href link links uri uris url urls webhook website")
_PEOPLE: Final = _set(
    "address attendee attendees bcc cc contact email emails guest guests invitee invitees member members participant",
    "participants phone recipient recipients to user users",
)
_DIRECTORIES: Final = _set("contact contacts directory addressbook phonebook")
_LITTLE: Final = _set("a by id ids in my new of on s the to uuid key number no guid")
_IDENTIFIES: Final = re.compile(r"(?i)(?:^|.*_)(?:id|uuid|guid|key|number|no)_?")
_NAMING: Final = ("name", "title", "subject", "filename", "file_name", "label", "username", "display_name")


def parts(name: str) -> list[str]:
    """The words of a name, in lower case."""
    return [one.casefold() for one in _PARTS.findall(name)]


def effect_of(name: str, description: str) -> tuple[Effect, str]:
    """The effect that a tool's words speak of, and the word that says so."""
    for word in (*parts(name), *_first_words(description)):
        if word in _READS:
            return Effect.READ, word
        if word in _FINAL:
            return Effect.IRREVERSIBLE, word
        if word in _WRITES:
            outward = _OUTWARD.search(description)
            if outward is not None:
                return Effect.IRREVERSIBLE, f"{word}, and {outward.group(0).casefold()}"
            return Effect.WRITE, word
    return Effect.IRREVERSIBLE, ""


def _first_words(description: str) -> Iterator[str]:
    """The first word of a description, as a verb: "Returns all …" is "return"."""
    for word in parts(description[:80])[:1]:
        yield word
        yield word.removesuffix("s")
        yield word.removesuffix("es")


def role_of(tool: str, effect: Effect, argument: str, about: str = "") -> Role:
    """What an argument is for. ``about`` is what the schema says of it."""
    words = parts(argument)
    last = words[-1] if words else ""
    place = any(one in _PLACES for one in words)
    if effect in (Effect.NONE, Effect.READ):
        return Role.AUTHORITY if place else Role.SELECTOR
    if place or any(one in _PEOPLE for one in words) or _IDENTIFIES.fullmatch(argument):
        return Role.AUTHORITY
    made = any(one in _MAKES for one in parts(tool))
    if last in _SAYS or (made and last in _NAMES):
        return Role.CONTENT
    if any(one in _WHEN for one in words) and "amount" not in about.casefold():
        return Role.CONTENT
    return Role.AUTHORITY


def is_people(argument: str) -> bool:
    """Whether an argument or field says who; the id of a message to somebody does not."""
    return not identifies(argument) and any(one in _PEOPLE for one in parts(argument))


def is_directory(tool: str) -> bool:
    """Whether a tool looks people up in a list that the user keeps."""
    return any(one in _DIRECTORIES for one in parts(tool))


def identifies(field: str) -> bool:
    """Whether a field of a record says which one it is."""
    return _IDENTIFIES.fullmatch(field) is not None


def naming(fields: list[str]) -> list[str]:
    """The fields by which a person would call the record."""
    return [one for one in _NAMING if one in fields]


def things(name: str) -> frozenset[str]:
    """The things that a name speaks of, in the singular: "list_files" of a list and a file, "file_id" of a file."""
    return frozenset(one.removesuffix("s") for one in parts(name) if one not in _LITTLE)
