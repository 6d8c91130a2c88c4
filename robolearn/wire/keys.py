"""CURVE keys in files that ZeroMQ's own tools read as well."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import zmq
import zmq.auth
from zmq.utils import z85

from robolearn.core.errors import ConfigError

SECRET, PUBLIC = ".key_secret", ".key"
"""Ends of the names of key files."""
KEY_BYTES = 32
"""Of either half, 40 characters in Z85."""


@dataclass(slots=True, frozen=True)
class KeyPair:
    """Both halves, Z85-encoded."""

    public: bytes
    secret: bytes

    @classmethod
    def make(cls) -> Self:
        """Return a new pair."""
        return cls(*zmq.curve_keypair())


def make_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Write `<name>.key` (public) and `<name>.key_secret`, which only the owner may read; return both.

    Raises:
        ConfigError: If either is there already: a key that is in use is never overwritten.
    """
    public, secret = folder / (name + PUBLIC), folder / (name + SECRET)
    for path in (public, secret):
        if path.exists():
            raise ConfigError(str(path), expected="a new name", got="an existing key", fix="delete it to replace it")
    folder.mkdir(parents=True, exist_ok=True)
    secret.touch(mode=0o600, exist_ok=False)  # before there is anything in it to be read
    zmq.auth.create_certificates(folder, name)
    return public, secret


def load_secret(path: Path) -> KeyPair:
    """Return the pair in a secret key file.

    Raises:
        ConfigError: If it is missing, damaged, or holds no secret key.
    """
    public, secret = _load(path)
    if secret is None:
        raise ConfigError(str(path), expected=f"a secret key (*{SECRET})", got="a public one")
    return KeyPair(public, secret)


def load_public(path: Path) -> bytes:
    """Return the public key in a key file.

    Raises:
        ConfigError: If it is missing or damaged.
    """
    return _load(path)[0]


def _load(path: Path) -> tuple[bytes, bytes | None]:
    fix = "`robolearn keys` makes key files"
    try:
        public, secret = zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), expected="a key file", got=str(error), fix=fix) from error
    for which, key in (("public", public), ("secret", secret)):
        if key is not None and not _is_key(key):
            raise ConfigError(str(path), expected="keys of 40 Z85 characters", got=f"another {which} one", fix=fix)
    return public, secret


def _is_key(key: bytes) -> bool:
    try:
        return len(z85.decode(key)) == KEY_BYTES
    except (KeyError, ValueError, struct.error):  # a foreign character, a length that cannot be, a number too large
        return False
