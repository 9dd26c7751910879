"""Pulumi's passphrase secrets: AES-256-GCM under a key that PBKDF2 derives from the passphrase and a salt.

The key costs a tenth of a second, so it is derived when the first secret is met and kept for the process; a new stack's beside what its
first update does meanwhile.
"""

import base64
import json
import os
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from mlx_engine.host import EngineError
from mlx_engine.values import SECRET_SIGNATURE, SIGNATURE, Values, is_secret

ROUNDS = 1_000_000
PLAIN_CHECK = "pulumi"


class WrongPassphrase(EngineError):
    """The passphrase does not open the stack's secrets."""


class Secrets:
    """Opens and seals the secrets of one stack.

    A secret that did not change keeps its ciphertext, as Pulumi does it, so that an update without changes changes no byte.
    """

    def __init__(self, passphrase: str, salt_state: str = "") -> None:
        self._passphrase = passphrase
        self.salt_state = salt_state
        """``v1:SALT:CIPHERTEXT``, or '' while no secret has been met."""
        self._sealed: dict[tuple[str, str], str] = {}
        self._foreseen: Future[str] | None = None

    def foresee(self) -> None:
        """Begins to derive the key that the first secret will need, on a thread of its own."""
        deriving = ThreadPoolExecutor(1, "mlx-key")
        self._foreseen = deriving.submit(_new_salt_state, self._passphrase)
        deriving.shutdown(wait=False)

    def opened(self, value: Any, scope: str) -> Any:
        """``value`` with every sealed secret replaced by a marked plain one; ``scope`` is the resource it belongs to."""
        if isinstance(value, list):
            return [self.opened(item, scope) for item in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        mapping = cast("Values", value)
        if is_secret(mapping):
            return self._open_secret(mapping, scope)
        return {key: self.opened(item, scope) for key, item in mapping.items()}

    def sealed(self, value: Any, scope: str) -> Any:
        """The inverse of ``opened``."""
        if isinstance(value, list):
            return [self.sealed(item, scope) for item in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        mapping = cast("Values", value)
        if is_secret(mapping):
            return {SIGNATURE: SECRET_SIGNATURE, "ciphertext": self.seal(_json(mapping["value"]), scope)}
        return {key: self.sealed(item, scope) for key, item in mapping.items()}

    def seal(self, text: str, scope: str) -> str:
        known = self._sealed.get((scope, text))
        if known is None:
            known = self._sealed[scope, text] = _encrypt(self._key(), text)
        return known

    def _open_secret(self, mapping: Values, scope: str) -> Values:
        ciphertext = mapping.get("ciphertext")
        text = _decrypt(self._key(), ciphertext) if ciphertext is not None else str(mapping["plaintext"])
        if ciphertext is not None:
            self._sealed.setdefault((scope, text), ciphertext)
        return {SIGNATURE: SECRET_SIGNATURE, "value": json.loads(text)}

    def _key(self) -> bytes:
        if not self.salt_state:
            self.salt_state = self._foreseen.result() if self._foreseen else _new_salt_state(self._passphrase)
        return _checked_key(self._passphrase, self.salt_state)


def _new_salt_state(passphrase: str) -> str:
    salt = os.urandom(8)
    return f"v1:{_b64(salt)}:{_encrypt(_derive(passphrase, salt), PLAIN_CHECK)}"


@lru_cache(maxsize=16)
def _checked_key(passphrase: str, salt_state: str) -> bytes:
    _, salt, check = salt_state.split(":", 2)
    key = _derive(passphrase, base64.b64decode(salt))
    if _decrypt(key, check) != PLAIN_CHECK:
        raise WrongPassphrase("the passphrase does not open this stack's secrets", hint="set the passphrase this stack was created with")
    return key


@lru_cache(maxsize=16)
def _derive(passphrase: str, salt: bytes) -> bytes:
    # Twice as fast as hashlib's: the OpenSSL that it brings is newer than most interpreters'.
    return PBKDF2HMAC(SHA256(), 32, salt, ROUNDS).derive(passphrase.encode())


def _encrypt(key: bytes, text: str) -> str:
    nonce = os.urandom(12)
    return f"v1:{_b64(nonce)}:{_b64(AESGCM(key).encrypt(nonce, text.encode(), None))}"


def _decrypt(key: bytes, sealed: str) -> str:
    _, nonce, ciphertext = sealed.split(":", 2)
    try:
        return AESGCM(key).decrypt(base64.b64decode(nonce), base64.b64decode(ciphertext), None).decode()
    except InvalidTag as error:
        raise WrongPassphrase("the passphrase does not open this stack's secrets", hint="set the passphrase this stack was created with") from error


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
