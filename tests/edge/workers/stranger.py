"""A client that knows the .proto file and nothing else: no code of taskgate speaks for it.

The file is compiled when the tests run, into a pool of its own, so that nothing generated and committed is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PROTO = Path(__file__).parents[3] / "src" / "taskgate" / "wire" / "gateway.proto"
SERVICE = "taskgate.v1.GatewayService"
PATIENCE_S = 20.0


class Contract:
    """The messages and methods of the service, read from the file."""

    def __init__(self, folder: Path) -> None:
        from grpc_tools import protoc  # type: ignore[import-untyped]

        out = folder / "gateway.bin"
        assert protoc.main(["", f"-I{PROTO.parent}", f"--descriptor_set_out={out}", str(PROTO)]) == 0
        self._pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file:
            self._pool.Add(file)
        self.methods = {method.name: method for method in self._pool.FindServiceByName(SERVICE).methods}

    def __getattr__(self, name: str) -> Any:
        """The class of a message."""
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(f"taskgate.v1.{name}"))

    def answer_of(self, method: str) -> Any:
        return message_factory.GetMessageClass(self.methods[method].output_type)


class Stranger:
    """Calls by name; `trailers` are those of the last answer."""

    def __init__(self, contract: Contract, channel: grpc.aio.Channel, key: str, worker_id: str = "s1") -> None:
        self.contract = contract
        self.worker_id = worker_id
        self.trailers: dict[str, str] = {}
        self._channel = channel
        self._key = key

    def stub(self, method: str) -> Any:
        """The callable of a method, of its own kind."""
        described = self.contract.methods[method]
        kind = "_".join("stream" if s else "unary" for s in (described.client_streaming, described.server_streaming))
        make: Any = getattr(self._channel, kind)
        return make(
            f"/{SERVICE}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=self.contract.answer_of(method).FromString,
        )

    @property
    def metadata(self) -> list[tuple[str, str]]:
        return [("x-api-key", self._key)]

    async def call(self, method: str, *, timeout_s: float | None = PATIENCE_S, **fields: Any) -> Any:
        """A unary call; `worker_id` is filled in where the request has one."""
        request = message_factory.GetMessageClass(self.contract.methods[method].input_type)
        if "worker_id" in request.DESCRIPTOR.fields_by_name:
            fields.setdefault("worker_id", self.worker_id)
        call = self.stub(method)(request(**fields), metadata=self.metadata, timeout=timeout_s)
        answer = await call
        self.trailers = {key: str(value) for key, value in await call.trailing_metadata() or ()}
        return answer

    async def append(self, logs: Sequence[Any], *, named: bool = False) -> Any:
        """Send log batches, then hear what is durable."""
        metadata = [*self.metadata, ("x-worker-id", self.worker_id)] if named else self.metadata
        return await self.stub("AppendLogs")(iter(logs), metadata=metadata, timeout=PATIENCE_S)

    def receipt(self, task: Any) -> Any:
        return self.contract.Receipt(run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token)

    def log(self, task: Any, *texts: str, first: int = 1) -> Any:
        lines = [self.contract.LogLine(seq=first + n, text=text) for n, text in enumerate(texts)]
        return self.contract.Log(
            run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token, stream="stdout", lines=lines
        )

    async def take(self, **fields: Any) -> Any:
        """The next run."""
        (task,) = (await self.call("Poll", wait_s=15.0, **fields)).tasks
        return task
