"""Properties of the envelope, over generated inputs (CPython only)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyeyes.core.envelope import HEADER_BYTES, MAX_WALL_US, STATES, Envelope
from manyeyes.core.errors import ProtocolError
from tests.core.test_envelope import FIELDS

U64 = st.integers(0, 2**64 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)
U32 = st.integers(0, 2**32 - 1)
DATE = st.integers(0, MAX_WALL_US)


@st.composite
def envelopes(draw: st.DrawFn) -> Envelope:
    jpeg = draw(st.binary(max_size=300))
    sides = st.integers(1, 65535) if jpeg else st.just(0)
    seq = draw(st.integers(1, 2**64 - 1) if jpeg else U64)
    state, reason = draw(st.sampled_from(STATES)), draw(st.text(max_size=256))
    return Envelope(
        draw(U64), seq, state, reason, jpeg, draw(sides), draw(sides), draw(DATE), draw(I64), draw(U32), draw(U32)
    )


@given(envelopes())
def test_round_trip(envelope: Envelope) -> None:
    decoded = Envelope.decode(envelope.encode())
    for field in FIELDS:
        assert getattr(decoded, field) == getattr(envelope, field)
    assert bytes(decoded.jpeg) == envelope.jpeg


@given(envelopes(), st.data())
def test_a_changed_one_is_an_envelope_or_refused(envelope: Envelope, data: st.DataObject) -> None:
    changed = bytearray(envelope.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(changed), HEADER_BYTES + 20)))
        changed[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    refusal, decoded = None, None
    try:
        decoded = Envelope.decode(bytes(changed))
    except ProtocolError as error:
        refusal = error
    if decoded is not None:
        assert decoded.encode() == bytes(changed)  # there is one way to write it
    else:
        assert str(refusal)
        assert 0 <= refusal.offset <= max(len(changed), HEADER_BYTES)


@given(st.binary(max_size=200), st.booleans())
def test_arbitrary_bytes(data: bytes, magic: bool) -> None:
    with pytest.raises(ProtocolError):
        Envelope.decode(b"MEYE\x01" + data if magic and len(data) < HEADER_BYTES - 5 else b"x" + data)
