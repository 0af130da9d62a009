"""Make tallystick/govern/secrets.json from gitleaks' rule set (a maintainer's command).

    python tools/make_secret_rules.py PATH/TO/gitleaks.toml

Taken are the rules that judge a text by itself. Left out: rules about files with certain names, and the generic rule,
which takes any value behind a word like "key" or "token" for a secret: in what agents write that hits ids and cursors.
gitleaks is https://github.com/gitleaks/gitleaks, under the MIT licence, which stands in the file that this makes.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

RULES = Path(__file__).resolve().parent.parent / "tallystick" / "govern" / "secrets.json"
LEFT_OUT = {"generic-api-key"}
# What many rules begin with. It stands before the secret and may be empty, so a search finds the same secret without.
BEFORE = r"[\w.-]{0,50}?"
# What many rules end with, made for lines of code: agents write secrets into URLs, sentences and JSON inside JSON too.
AFTER = r"""(?:[\x60'"\s;]|\\[nr]|$)"""
BOUND = r"(?:[^A-Za-z0-9_+/=-]|$)"
SHORT = 4  # characters: a rule with a shorter keyword is looked for by its own expression
BEHIND = r"""[ \t\w.-]{0,20}[\s'"\\]{0,6}(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)"""
# Rules with a keyword that is in the secret, and not before the sign of assignment: how the secret looks. A new one is
# found by tests/unit/test_secret_rules.py, which makes texts for every rule.
SPELT = {
    "atlassian-api-token": "(?i:atatt3)|(?i:atlassian|confluence|jira)" + BEHIND,
    "gocardless-api-token": r"(?i:live_[a-z0-9\-_=]{40})",
    "lob-api-key": r"(?i:(?:live|test)_[a-f0-9]{35})",
    "lob-pub-api-key": r"(?i:(?:live|test)_pub_[a-f0-9]{31})",
    "new-relic-browser-api-token": r"(?i:NRJS-[a-f0-9]{19})",
    "new-relic-insert-key": r"(?i:NRII-[a-z0-9-]{32})",
    "new-relic-user-api-key": r"(?i:NRAK-[a-z0-9]{27})",
    "typeform-api-token": r"(?i:tfp_[a-z0-9\-_\.=]{59})",
}
HEX = re.compile("[0-9a-f]{1,5}")  # … and one whose keyword is in every other digest
LICENCE = (
    "MIT License. Copyright (c) 2019 Zachary Rice. Permission is hereby granted, free of charge, to any person "
    'obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software '
    "without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, "
    "sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do "
    "so, subject to the following conditions: The above copyright notice and this permission notice shall be included "
    'in all copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF '
    "ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A "
    "PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY "
    "CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR "
    "IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."
)


def taken(rule: dict[str, Any]) -> bool:
    """Whether a rule judges a text by itself."""
    return "regex" in rule and "path" not in rule and rule["id"] not in LEFT_OUT


def made(rule: dict[str, Any]) -> dict[str, Any]:
    """One rule as the file holds it."""
    allow = [
        text
        for allowed in rule.get("allowlists", [])
        if allowed.get("regexTarget", "secret") == "secret"
        for text in allowed.get("regexes", [])
    ]
    return {
        "id": rule["id"],
        "regex": rule["regex"].replace(BEFORE, "").replace(AFTER, BOUND),
        "keywords": sorted(word.lower() for word in rule["keywords"]),
        "group": rule.get("secretGroup", 0),
        "entropy": rule.get("entropy", 0),
        "allow": allow,
    }


def first_look(rules: list[dict[str, Any]], contextual: set[str]) -> str:
    """One expression that is found in every text in which a rule finds something, and in hardly any other.

    A word like "adobe" counts only with a sign of assignment behind it; a keyword of three letters not at all.
    """
    plain: set[str] = set()
    words: set[str] = set()
    whole: list[str] = []
    for rule in rules:
        if rule["id"] in SPELT:
            whole.append(SPELT[rule["id"]])
        elif rule["id"] in contextual:
            words.update(rule["keywords"])
        elif any(len(word) < SHORT or HEX.fullmatch(word) for word in rule["keywords"]):
            whole.append(
                re.sub(r"\(\?:\[\\x60'\"\\s;\]\|\\\\\[nr\]\|\$\)$", "", rule["regex"].removeprefix(r"\b"))
            )
        else:
            plain.update(rule["keywords"])
    return "|".join([
        "(?i:" + "|".join(map(re.escape, sorted(plain))) + ")",
        *(f"(?:{one})" for one in whole),
        "(?i:" + "|".join(map(re.escape, sorted(words))) + ")" + BEHIND,
    ])  # fmt: skip


def main() -> None:
    """Write the file."""
    raw = Path(sys.argv[1]).read_bytes()
    table = tomllib.loads(raw.decode())
    source = [rule for rule in table["rules"] if taken(rule)]
    rules = [made(rule) for rule in source]
    data = {
        "source": "https://github.com/gitleaks/gitleaks config/gitleaks.toml",
        "sha256": sha256(raw).hexdigest(),
        "licence": LICENCE,
        "first": first_look(rules, {rule["id"] for rule in source if BEFORE in rule["regex"]}),
        "allow": table["allowlist"]["regexes"],
        "stopwords": table["allowlist"]["stopwords"],
        "rules": rules,
    }
    RULES.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")
    sys.stderr.write(f"{len(rules)} rules\n")


if __name__ == "__main__":
    main()
