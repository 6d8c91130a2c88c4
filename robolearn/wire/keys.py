"""CURVE keys in files that ZeroMQ's own tools read as well."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import zmq
import zmq.auth

from robolearn.core.errors import ConfigError

SECRET, PUBLIC = ".key_secret", ".key"
"""Ends of the names of key files."""


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
    zmq.auth.create_certificates(folder, name)
    secret.chmod(0o600)
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
    try:
        return zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        fix = "`robolearn keys` makes key files"
        raise ConfigError(str(path), expected="a key file", got=str(error), fix=fix) from error
