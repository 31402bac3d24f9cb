"""Names: what a camera may be called in a URL, and a viewer may call itself."""

NAME_RULE = "1 to 64 of A-Z, a-z, 0-9, _ and -"

_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_LENGTH = 64


def is_name(text: str) -> bool:
    """Say whether a text keeps NAME_RULE."""
    return 0 < len(text) <= _LENGTH and all(character in _CHARACTERS for character in text)
