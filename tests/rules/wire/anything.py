"""Any message that either side may say, for property tests."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from taskgate.wire import messages as m

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
named = words.filter(bool)
counts = st.integers(0, 2**53)
moments = st.floats(0, 1e12, allow_nan=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | moments | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
raws = json_values.map(lambda value: msgspec.Raw(msgspec.json.encode(value)))
maps = st.dictionaries(words, words, max_size=3)
run = {"run_id": words, "attempt": counts, "lease_token": words}
receipts = st.builds(m.Receipt, left_s=st.none() | moments, **run)
offers = st.builds(
    m.TaskOffer,
    name=words,
    version=words,
    description=words,
    input_schema=st.none() | raws,
    output_schema=st.none() | raws,
    examples=st.lists(json_values, max_size=2),
    timeout_s=st.none() | moments,
    retries=st.none() | counts,
)
loads = st.builds(m.Load, cpu=moments, memory=moments, running=counts, waiting=counts)
lines = st.builds(m.LogLine, seq=counts, text=words, at=moments, level=named)
held = st.lists(receipts, max_size=3)

worker_messages: st.SearchStrategy[m.WorkerMessage] = st.one_of(
    st.builds(
        m.Hello, worker_id=words, instance=words, versions=st.lists(counts, max_size=2),
        tasks=st.lists(offers, max_size=2), capabilities=st.lists(words, max_size=2), labels=maps, slots=counts,
        metadata=st.dictionaries(words, json_values, max_size=2), held=held, draining=st.booleans(),
    ),
    st.builds(m.Ready, credit=counts),
    st.builds(m.Accept, **run),
    st.builds(m.Refuse, reason=named, detail=words, **run),
    st.builds(m.Heartbeat, nonce=words, held=held, load=st.none() | loads, worker_id=words),
    st.builds(m.Log, stream=named, lines=st.lists(lines, max_size=3), **run),
    st.builds(m.Progress, seq=counts, fraction=moments, text=words, at=moments, **run),
    st.builds(
        m.TaskResult, tracking_id=words, status=st.sampled_from(["ok", "error"]), result=raws, error=json_values,
        error_code=words, error_class=words, retryable=st.none() | st.booleans(), retry_at=st.none() | moments,
        log_count=counts, started_at=moments, ended_at=moments, worker_id=words, **run,
    ),
    st.builds(m.Stopped, **run),
    st.builds(m.Credential, token=words),
    st.builds(m.Bye, reason=words, drained=st.booleans()),
    st.builds(m.Drain, reason=words, reconnect=st.booleans(), delay_s=moments),
)  # fmt: skip

gateway_messages: st.SearchStrategy[m.GatewayMessage] = st.one_of(
    st.builds(
        m.Welcome, worker_id=words, version=counts, heartbeat_s=moments, dead_after_s=moments, lease_s=moments,
        offer_s=moments, max_frame_bytes=counts, max_output_bytes=counts, refused=maps, lost=held,
    ),
    st.builds(
        m.Task, tracking_id=words, capability=words, payload=raws, version=words, timeout_s=st.none() | moments,
        memory_bytes=st.none() | counts, offer_s=moments, tries=counts, labels=maps, tenant=maps, traceparent=words,
        priority=st.integers(-(2**31), 2**31), **run,
    ),
    st.builds(m.HeartbeatAck, nonce=words, renewed=held, stop=held),
    st.builds(m.LogAck, run_id=words, attempt=counts, stream=words, seq=counts),
    st.builds(m.Ack, run_id=words, attempt=counts, verdict=named, code=words),
    st.builds(m.Cancel, run_id=words, attempt=counts, reason=named),
    st.builds(m.Config, heartbeat_s=moments, dead_after_s=moments),
    st.builds(m.Drain, reason=words, reconnect=st.booleans(), delay_s=moments),
    st.builds(m.Failure, code=words, detail=words, run_id=words),
)  # fmt: skip
