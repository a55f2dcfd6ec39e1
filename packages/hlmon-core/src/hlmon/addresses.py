"""Whether an address can be an account's."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"0x[0-9a-f]{40}", re.IGNORECASE)
_PRIVATE_KEY = re.compile(r"(0x)?[0-9a-f]{64}", re.IGNORECASE)


def address_problem(address: str) -> str | None:
    """What is wrong with an account's address, or None. The answer never repeats it: it may be a key."""
    if _PRIVATE_KEY.fullmatch(address):
        return "that looks like a private key; hlmon never needs one"
    if not _ADDRESS.fullmatch(address):
        return "must be an address: 0x and 40 hexadecimal digits"
    if not _is_spelt_right(address):
        return "is misspelt: its capital letters are a checksum (EIP-55), which does not fit; copy it again"
    return None


def _is_spelt_right(address: str) -> bool:
    """Whether the capital letters of an address fit, if it has both capitals and small letters."""
    digits = address[2:]
    if digits in {digits.lower(), digits.upper()}:
        return True
    from Crypto.Hash import keccak  # noqa: PLC0415  # 5 MB, and most addresses are copied in small letters

    digest = keccak.new(digest_bits=256, data=digits.lower().encode()).hexdigest()
    return all(digit.isupper() == (sign >= "8") for digit, sign in zip(digits, digest, strict=False) if digit.isalpha())
