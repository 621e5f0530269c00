// Fastify with reply-from (undici), which its own gateway plugin is built on.
import Fastify from "fastify";
import replyFrom from "@fastify/reply-from";

const app = Fastify({ bodyLimit: 1 << 30, disableRequestLogging: true });
await app.register(replyFrom, { base: process.env.BENCH_UPSTREAM, undici: { connections: 256, pipelining: 1 } });
app.removeAllContentTypeParsers();
app.addContentTypeParser("*", (request, body, done) => done(null, body));
app.all("/plain/*", (request, reply) => reply.from(request.url.slice("/plain".length)));
await app.listen({ host: "127.0.0.1", port: Number(process.env.BENCH_PORT), backlog: 4096 });
