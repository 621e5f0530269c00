"""Protobuf frames: the same messages as JSON carries, and no bytes from outside do more than raise RemoteLinkError."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.errors import LocalLinkError, RemoteLinkError
from taskgate.wire import gateway_pb2 as pb
from taskgate.wire import messages as m
from taskgate.wire import protobuf_codec as codec
from taskgate.wire.frames import MAX_MESSAGES
from tests.rules.wire.anything import gateway_messages, worker_messages


@given(st.lists(worker_messages, max_size=4))
def test_what_a_worker_says_is_what_the_gateway_hears(messages: list[m.WorkerMessage]) -> None:
    heard = [message for frame in codec.encode_worker_frames(messages) for message in codec.decode_worker_frame(frame)]
    assert [type(message) for message in heard] == [type(message) for message in messages]
    assert heard == messages


@given(st.lists(gateway_messages, max_size=4))
def test_what_the_gateway_says_is_what_a_worker_hears(messages: list[m.GatewayMessage]) -> None:
    frames = codec.encode_gateway_frames(messages)
    heard = [message for frame in frames for message in codec.decode_gateway_frame(frame)]
    assert [type(message) for message in heard] == [type(message) for message in messages]
    assert heard == messages


def worker_frame(**kind: object) -> bytes:
    return bytes(pb.WorkerFrame(messages=[pb.WorkerMessage(**kind)]).SerializeToString())  # type: ignore[arg-type]


def test_absent_fields_mean_what_the_proto_says() -> None:
    (hello,) = codec.decode_worker_frame(worker_frame(hello=pb.Hello(worker_id="w")))
    assert hello == m.Hello(worker_id="w")
    (result,) = codec.decode_worker_frame(worker_frame(task_result=pb.TaskResult(run_id="r")))
    assert result == m.TaskResult(run_id="r")
    (refuse,) = codec.decode_worker_frame(worker_frame(refuse=pb.Refuse(run_id="r")))
    assert refuse == m.Refuse(run_id="r", attempt=0, lease_token="")
    zero = codec.decode_worker_frame(worker_frame(task_result=pb.TaskResult(run_id="r", retryable=False, retry_at=0)))
    assert (zero[0].retryable, zero[0].retry_at) == (False, 0.0)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("frame", "place"),
    [
        (b"\xff\xff\xff", "WorkerFrame"),
        (b"hello", "WorkerFrame"),
        (bytes(pb.WorkerFrame(messages=[pb.WorkerMessage()]).SerializeToString()), "kind"),
        (worker_frame(task_result=pb.TaskResult(result=b"{")), "TaskResult"),
        (worker_frame(task_result=pb.TaskResult(result=b"NaN")), "TaskResult"),
        (worker_frame(task_result=pb.TaskResult(result=b'"\xff"')), "TaskResult"),
        (worker_frame(task_result=pb.TaskResult(result=b"1 2")), "TaskResult"),
        (worker_frame(task_result=pb.TaskResult(result=b"[" * 500_000)), "deep"),
        (worker_frame(task_result=pb.TaskResult(error=b"[" * 500_000)), "deep"),
        (worker_frame(task_result=pb.TaskResult(status="perhaps")), "status"),
        (worker_frame(hello=pb.Hello(worker_id="w", metadata=b"[]")), "Hello"),
        (worker_frame(hello=pb.Hello(tasks=[pb.TaskOffer(name="t", input_schema=b"{]")])), "Hello"),
        (worker_frame(hello=pb.Hello(tasks=[pb.TaskOffer(name="t", examples=[b"x"])])), "Hello"),
    ],
)
def test_bad_bytes_are_refused_with_the_place(frame: bytes, place: str) -> None:
    with pytest.raises(RemoteLinkError, match=place) as refusal:
        codec.decode_worker_frame(frame)
    assert refusal.value.code == "MALFORMED"
    assert len(str(refusal.value)) < 300


def test_a_frame_of_too_many_messages_is_refused() -> None:
    frame = pb.WorkerFrame(messages=[pb.WorkerMessage(bye=pb.Bye())] * (MAX_MESSAGES + 1))
    with pytest.raises(RemoteLinkError) as refusal:
        codec.decode_worker_frame(bytes(frame.SerializeToString()))
    assert refusal.value.code == "TOO_MANY_MESSAGES"


def test_a_number_that_does_not_fit_is_our_own_mistake() -> None:
    with pytest.raises(LocalLinkError):
        codec.encode_worker_frames([m.Ready(credit=2**70)])


def test_large_batches_are_split_into_frames_in_order() -> None:
    messages: list[m.WorkerMessage] = [m.Bye(reason=str(number) * 50) for number in range(100)]
    frames = codec.encode_worker_frames(messages, max_bytes=700)
    assert max(map(len, frames)) <= 700
    assert [message for frame in frames for message in codec.decode_worker_frame(frame)] == messages


@given(st.binary(max_size=60))
def test_random_bytes_never_do_more_than_refuse(frame: bytes) -> None:
    try:
        codec.decode_worker_frame(frame)
    except RemoteLinkError:
        return
