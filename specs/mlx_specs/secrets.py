"""What looks like a secret written in clear, and how it is kept out of messages.

Text enters; masked text, or a word for what was found, leaves. The secret itself never does.
"""

import re

MASK = "***"
SECRET_KEYS = frozenset(
    [
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "secret",
        "token",
        "apikey",
        "apitoken",
        "accesskey",
        "accesstoken",
        "authtoken",
        "bearertoken",
        "secretkey",
        "clientsecret",
        "privatekey",
        "secretaccesskey",
    ]
)
SECRET_ENDINGS = ("password", "passwd", "passphrase", "apikey", "apitoken", "accesskey", "accesstoken", "authtoken", "secretkey", "clientsecret", "privatekey")
"""Not plain 'token': pad_token and unk_token are parameters of tokenizers."""

URL_PASSWORD = re.compile(r"(://[^/\s:@'\"]*:)([^@/\s'\"]+)(@)")
QUERY_PASSWORD = re.compile(r"([?&;\s](?:password|passwd|pwd)=)([^&;\s'\"]+)()", re.IGNORECASE)
KNOWN_TOKENS = re.compile(r"()(\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,}|\bxox[abp]-[A-Za-z0-9-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY-----)()")
KEY_AND_VALUE = re.compile(
    r"((?<![\w-])['\"]?(?:[\w-]*(?:password|passwd|passphrase|api[_-]?key|secret[_-]?key|access[_-]?key|private[_-]?key|client[_-]?secret|(?:access|auth|api)[_-]?token)|token|secret|pwd)"
    r"['\"]?\s*[:=]\s*)(?!\s*[{\[$])([^,}\s][^,}]*)()",
    re.IGNORECASE,
)
SUSPICIOUS = re.compile(
    r"://[^/\s]*:|AKIA|gh[pousr]_|xox[abp]-|PRIVATE KEY|passw|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key",
    re.IGNORECASE,
)
"""Matches every file that can hold a literal secret: the others need not be looked at value by value."""


def find_secret(key: str, value: str) -> str | None:
    """What the value looks like (``a password in a URL``), or None; ``key`` is the name that it stands under."""
    if URL_PASSWORD.search(value):
        return "a password in a URL"
    if QUERY_PASSWORD.search(value):
        return "a password in a connection string"
    if KNOWN_TOKENS.search(value):
        return "a private key" if "PRIVATE KEY" in value else "an access key"
    if value.strip() and _is_secret_key(key):
        return "a literal secret"
    return None


def mask(text: str) -> str:
    """The text with what looks like secrets replaced by ``***``."""
    if not SUSPICIOUS.search(text):
        return text
    for pattern in (URL_PASSWORD, QUERY_PASSWORD, KNOWN_TOKENS, KEY_AND_VALUE):
        text = pattern.sub(rf"\g<1>{MASK}\g<3>", text)
    return text


def _is_secret_key(key: str) -> bool:
    plain = re.sub(r"[^a-z]", "", key.lower())
    return plain in SECRET_KEYS or plain.endswith(SECRET_ENDINGS)
