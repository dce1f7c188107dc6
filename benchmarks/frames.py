"""Minimal RFC 6455 implementation for the load client: handshake, frame parser, masked frames.

Pure. Servers never mask, and those measured here never fragment.
"""

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_LAST = 0x80
_MASKED = 0x80
_NO_MASK = bytes(4)  # any mask is valid; this one leaves the payload as it is
_KEY = "Y3J5cHRvdHJhZGViZW5jaA=="


class FrameError(ValueError):
    """The server sent a frame that this client does not support."""


class FrameReader:
    """Incremental frame parser of one connection."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(opcode, payload) of every frame that is complete now, in order. Raises `FrameError`."""
        if self._rest:
            data = self._rest + data
        frames = []
        at, size = 0, len(data)
        while size - at >= 2:
            begin, length = _head(data, at)
            end = begin + length
            if begin > size or end > size:
                break
            frames.append((data[at] & 0x0F, data[begin:end]))
            at = end
        self._rest = data[at:]
        return frames


def _head(data: bytes, at: int) -> tuple[int, int]:
    """Start and length of the payload; the start may be beyond the received bytes."""
    first, length = data[at], data[at + 1]
    if not first & _LAST or length & _MASKED:
        raise FrameError("a fragmented or masked frame")
    if length < 126:
        return at + 2, length
    if length == 126:
        return at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
    return at + 10, int.from_bytes(data[at + 2 : at + 10], "big")


def client_frame(opcode: int, payload: bytes) -> bytes:
    """One masked frame; clients must mask frames."""
    length = len(payload)
    if length < 126:
        head = bytes([_LAST | opcode, _MASKED | length])
    elif length < 1 << 16:
        head = bytes([_LAST | opcode, _MASKED | 126]) + length.to_bytes(2, "big")
    else:
        head = bytes([_LAST | opcode, _MASKED | 127]) + length.to_bytes(8, "big")
    return head + _NO_MASK + payload


def close_code(payload: bytes) -> int:
    """The code of a close frame; 1005 when it has none."""
    return int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005


def handshake(host: str, path: str) -> bytes:
    """The handshake request. It has no Origin header, because the client is not a browser."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def after_handshake(data: bytes) -> bytes | None:
    """The bytes after the server's handshake response; None while that is incomplete. Raises `FrameError` if rejected."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None
    status = head.split(b" ", 2)[1:2]
    if status != [b"101"]:
        raise FrameError(f"the handshake was refused: {head[:80].decode('latin-1')}")
    return rest
