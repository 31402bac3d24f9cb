"""Every error that manyeyes raises on purpose: one tree, one file.

    ManyeyesError
    ├─ ConfigError            key, value, allowed
    ├─ NotAllowed             somebody else decides, and did not allow it
    ├─ SourceError            source (credentials already removed)
    │  ├─ SourceNotFound      no such device, file or host
    │  ├─ SourceBusy          another process holds it
    │  ├─ SourceUnsupported   opened, but what was asked cannot be had
    │  ├─ SourceNoSignal      opened, but no frame came in time
    │  └─ SourceEnded         unplugged, or the end of something that cannot loop
    ├─ FrameError
    │  ├─ BadFrame            not a whole, valid JPEG
    │  └─ EncodeError         the encoder refused or failed
    ├─ ProtocolError          bytes from a peer that break the protocol; offset
    │  └─ RequestError        an HTTP request that is refused; status
    └─ HubClosed              publish() or subscribe() after close()

Rules for this file: a message is lower case, has no full stop, and says what was got, what was
expected, and what to try. What the operating system or a library raises is translated into this
tree once, at the edge, by the module that called it. A SourceError is restartable and never ends
the server; a ConfigError ends it before it starts.
"""


class ManyeyesError(Exception):
    """The base of all errors of this package: catch it to catch them all."""


class ConfigError(ManyeyesError):
    """A setting that cannot be used.

    Attributes:
        key: Name of the setting, or None where the input as a whole is wrong.
        value: What was given.
        allowed: What would have been accepted: a list of choices, {"min": ..., "max": ...}, a sentence, or None.
    """

    def __init__(self, message: str, key: "str | None" = None, value: object = None, allowed: object = None) -> None:
        super().__init__(message)
        self.key = key
        self.value = value
        self.allowed = allowed


class NotAllowed(ManyeyesError):
    """Asked of somebody who decides about it, and who did not allow it."""


class SourceError(ManyeyesError):
    """A source that cannot be read now; it may come back.

    Attributes:
        source: The source's URL or path without credentials.
    """

    def __init__(self, message: str, source: str = "") -> None:
        super().__init__(message)
        self.source = source


class SourceNotFound(SourceError):
    """There is no such device, file or host."""


class SourceBusy(SourceError):
    """Another process holds the device."""


class SourceUnsupported(SourceError):
    """The source exists but cannot give what was asked (format, size, rate, kind of file)."""


class SourceNoSignal(SourceError):
    """The source is open but no frame came in time."""


class SourceEnded(SourceError):
    """The source stopped: unplugged, disconnected, or at its end."""


class FrameError(ManyeyesError):
    """One frame that cannot be published; the next one may be fine."""


class BadFrame(FrameError):
    """The bytes are not one whole, valid JPEG.

    Attributes:
        offset: Where in the data the fault was found, in bytes.
    """

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


class EncodeError(FrameError):
    """The encoder refused or failed on this frame."""


class ProtocolError(ManyeyesError):
    """A peer sent bytes that break the protocol.

    Attributes:
        offset: Position in the stream, in bytes, of the first byte that could not be used.
    """

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


class RequestError(ProtocolError):
    """An HTTP request that is refused before any route sees it.

    Attributes:
        status: The HTTP status to answer with.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class HubClosed(ManyeyesError):
    """The hub was closed: it takes no frame and no viewer any more."""
