"""TensorBoard's event files: scalars by step, without TensorBoard.

An event file is a sequence of records, as in a TFRecord file: the length of the data (uint64), the masked CRC-32C of
that length (uint32), the data, and their masked CRC-32C; numbers are little-endian. The data of each are an `Event` of
TensorFlow's event.proto, in the encoding of protocol buffers.
"""

import math
import struct
from collections.abc import Iterable
from typing import BinaryIO

NAME = "events.out.tfevents.0.smoothgates"
"""Name of an event file. TensorBoard reads files whose name contains `tfevents`."""
CASTAGNOLI = 0x82F63B78
"""The polynomial of CRC-32C, its bits in reverse order."""


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ CASTAGNOLI * (byte & 1)
    return byte


TABLE = [_remainder(byte) for byte in range(256)]


def crc32c(data: bytes) -> int:
    """The checksum CRC-32C of RFC 3720.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def record(data: bytes) -> bytes:
    """The data framed as a record."""

    def masked(content: bytes) -> bytes:
        crc = crc32c(content)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def varint(value: int) -> bytes:
    """A number ≥ 0 in groups of seven bits, the lowest first.

    >>> varint(300).hex()
    'ac02'
    """
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def field(number: int, content: bytes) -> bytes:
    """A field of a message that is itself bytes, text or a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def single(value: float) -> bytes:
    """A number in single precision; ±∞ if it is too large for that."""
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", math.copysign(math.inf, value))


def event(step: int, values: dict[str, float]) -> bytes:
    """An `Event` with scalars by tag: its step is field 2, its summary field 5. Its wall time is left out, and is 0."""
    scalars = (field(1, tag.encode()) + b"\x15" + single(value) for tag, value in values.items())
    return b"\x10" + varint(step) + field(5, b"".join(field(1, scalar) for scalar in scalars))


def write_events(file: BinaryIO, points: Iterable[tuple[int, dict[str, float]]]) -> None:
    """Write an event file: its version, and an event for each step."""
    file.write(record(field(3, b"brain.Event:2")))
    for step, values in points:
        file.write(record(event(step, values)))
