"""JSON frames: what goes in comes out, and no bytes from outside do more than raise RemoteLinkError."""

from __future__ import annotations

import time
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.errors import LocalLinkError, RemoteLinkError
from taskgate.wire import messages as m
from taskgate.wire.frames import MAX_MESSAGES
from taskgate.wire.json_codec import decode_gateway_frame, decode_worker_frame, encode_frames
from tests.rules.wire.anything import gateway_messages, worker_messages

DEEP = 10**6


@given(st.lists(worker_messages, max_size=4), st.booleans())
def test_what_a_worker_says_is_what_the_gateway_hears(messages: list[m.WorkerMessage], single: bool) -> None:
    frames = encode_frames(messages, single=single)
    assert len(frames) == (len(messages) if single else min(len(messages), 1))
    heard = [message for frame in frames for message in decode_worker_frame(frame)]
    assert [type(message) for message in heard] == [type(message) for message in messages]
    assert heard == messages


@given(st.lists(gateway_messages, max_size=4), st.booleans())
def test_what_the_gateway_says_is_what_a_worker_hears(messages: list[m.GatewayMessage], single: bool) -> None:
    heard = [message for f in encode_frames(messages, single=single) for message in decode_gateway_frame(f.decode())]
    assert [type(message) for message in heard] == [type(message) for message in messages]
    assert heard == messages


@pytest.mark.parametrize("payload", [b'"\\u0000"', b"1e999999", b"123456789" * 50, b'{"a":1,"a":2}'])
def test_what_is_inside_a_payload_is_not_our_business(payload: bytes) -> None:
    frame = b'{"type":"task_result","run_id":"r","attempt":1,"lease_token":"t","result":' + payload + b"}"
    (message,) = decode_worker_frame(frame)
    assert isinstance(message, m.TaskResult)
    assert bytes(message.result) == payload
    (sent,) = encode_frames([message])
    assert payload in sent


BAD = [
    (b"", "truncated"),
    (b"hello", "byte 0"),
    (b"null", "null"),
    (b"[[]]", r"\$\[0\]"),
    (b'"hello"', "str"),
    (b'{"type":"no_such"}', r"no_such.*\$\.type"),
    (b'{"type":7}', r"\$\.type"),
    (b'{"run_id":"r"}', "type"),
    (b'[{"type":"bye"},{"type":"accept","run_id":"r","attempt":1}]', r"lease_token.*\$\[1\]"),
    (b'{"type":"accept","run_id":5,"attempt":1,"lease_token":"t"}', r"\$\.run_id"),
    (b'{"type":"accept","run_id":"r","attempt":"1","lease_token":"t"}', r"\$\.attempt"),
    (b'{"type":"accept","run_id":"r","attempt":1e400,"lease_token":"t"}', r"out of range"),
    (b'{"type":"ready","credit":99999999999999999999999}', "credit"),
    (b'{"type":"heartbeat","load":{"cpu":NaN}}', "byte 34"),
    (b'{"type":"heartbeat","held":[{"run_id":"r"}]}', r"\$\.held\[0\]"),
    (b'{"type":"task_result","status":"perhaps"}', r"\$\.status"),
    (b'{"type":"task_result","result":NaN}', "byte"),
    (b'{"type":"log","run_id":"r","attempt":1,"lease_token":"t","lines":[1]}', r"\$\.lines\[0\]"),
    (b'{"type":"bye","reason":"\xff"}', "UTF-8 at byte 24"),
    (b'{"type":"task_result","result":"\xc3("}', "UTF-8"),
    (b'{"type":"task_result","result":"\\ud800","run_id":"a"}', "escape"),
    (b'{"type":"accept","run_id":"r","attempt":-1,"lease_token":"t"}', r"\$\.attempt"),
    (b'{"type":"bye"}{"type":"bye"}', "trailing"),
    (b'{"type":"bye"', "truncated"),
    (b'\xef\xbb\xbf{"type":"bye"}', "byte 0"),
    (b'{"type":"hello","worker_id":1}', r"\$\.worker_id"),
    (b'{"worker_id":"w","capabilities":[1]}', "type"),
]


@pytest.mark.parametrize(("frame", "place"), BAD)
def test_bad_bytes_are_refused_with_the_place(frame: bytes, place: str) -> None:
    with pytest.raises(RemoteLinkError, match=f"(?i){place}") as refusal:
        decode_worker_frame(frame)
    assert refusal.value.code == "MALFORMED"
    assert refusal.value.__cause__ is None
    assert len(str(refusal.value)) < 300


def test_a_lone_surrogate_in_a_text_frame_is_refused() -> None:
    with pytest.raises(RemoteLinkError):
        decode_worker_frame('{"type":"bye","reason":"\ud800"}')


@pytest.mark.parametrize(
    "frame",
    [
        b"[" * DEEP,
        b'{"type":"hello","worker_id":"w","metadata":{"a":' + b"[" * DEEP,
        b'{"type":"hello","worker_id":"w","unknown":' + b'{"a":' * (DEEP // 5),
        b'{"type":"task_result","result":' + b"[" * (DEEP // 2) + b"]" * (DEEP // 2 - 40) + b"}",
        b'{"type":"bye","type":"bye","reason":' + b"[" * DEEP,
    ],
)
def test_a_million_brackets_cost_nothing(frame: bytes) -> None:
    """F24, INV-R3: within 50 ms and a bounded multiple of the frame's own size."""
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(RemoteLinkError):
            decode_worker_frame(frame, max_bytes=2 << 20)
        took_s, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert took_s < 0.05
    assert peak < 4 * len(frame)


def test_an_oversize_frame_is_refused_before_it_is_read() -> None:
    for frame in (b"[" + b" " * 100, "[" + " " * 100):
        with pytest.raises(RemoteLinkError) as refusal:
            decode_worker_frame(frame, max_bytes=100)
        assert refusal.value.code == "FRAME_TOO_LARGE"


def test_a_frame_of_too_many_messages_is_refused() -> None:
    frame = b"[" + b",".join([b'{"type":"bye"}'] * (MAX_MESSAGES + 1)) + b"]"
    with pytest.raises(RemoteLinkError) as refusal:
        decode_worker_frame(frame)
    assert refusal.value.code == "TOO_MANY_MESSAGES"


def test_a_gateway_does_not_hear_what_only_a_gateway_says() -> None:
    with pytest.raises(RemoteLinkError):
        decode_worker_frame(b'{"type":"welcome","worker_id":"w"}')
    with pytest.raises(RemoteLinkError):
        decode_gateway_frame(b'{"type":"bye"}')


def test_unknown_fields_are_ignored() -> None:
    assert decode_worker_frame(b' \n{"type":"bye","reason":"x","since":[1,{}]}') == [m.Bye(reason="x")]
    assert decode_worker_frame(b" [ ]") == []


def test_the_demo_clients_first_frame_is_a_hello() -> None:
    """The first clients of this protocol send no type."""
    frame = b'{"worker_id":"ollama-1","capabilities":["ollama_chat_task"],"metadata":{"kind":"ollama","n":[1]}}'
    assert decode_worker_frame(frame) == [
        m.Hello(worker_id="ollama-1", capabilities=["ollama_chat_task"], metadata={"kind": "ollama", "n": [1]})
    ]


def test_large_batches_are_split_into_frames_in_order() -> None:
    messages = [m.Bye(reason=str(number) * 50) for number in range(100)]
    frames = encode_frames(messages, max_bytes=700)
    assert len(frames) > 10
    assert max(map(len, frames)) <= 700
    assert [message for frame in frames for message in decode_worker_frame(frame)] == messages
    many = [m.Bye()] * (3 * MAX_MESSAGES)
    assert [message for frame in encode_frames(many) for message in decode_worker_frame(frame)] == many
    assert encode_frames([]) == []


@pytest.mark.parametrize("single", [True, False])
def test_one_message_that_fits_no_frame_is_our_own_mistake(single: bool) -> None:
    with pytest.raises(LocalLinkError) as refusal:
        encode_frames([m.Bye(), m.Bye(reason="x" * 200)], max_bytes=100, single=single)
    assert refusal.value.code == "FRAME_TOO_LARGE"


@given(st.binary(max_size=60) | st.text(max_size=40))
def test_random_bytes_never_do_more_than_refuse(frame: bytes | str) -> None:
    try:
        decode_worker_frame(frame)
    except RemoteLinkError:
        return


@given(st.lists(worker_messages, min_size=1, max_size=2), st.data())
def test_damaged_frames_never_do_more_than_refuse(messages: list[m.WorkerMessage], data: st.DataObject) -> None:
    frame = bytearray(msgspec.json.encode(messages))
    for _ in range(data.draw(st.integers(1, 3))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_worker_frame(bytes(frame))
    except RemoteLinkError:
        return
