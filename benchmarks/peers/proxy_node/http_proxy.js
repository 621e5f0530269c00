// The http-proxy package behind node's own server.
import http from "node:http";
import httpProxy from "http-proxy";

const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
const proxy = httpProxy.createProxyServer({ target: process.env.BENCH_UPSTREAM, agent });
proxy.on("error", (error, request, response) => response.writeHead(502).end());
http
  .createServer((request, response) => {
    request.url = request.url.slice("/plain".length);
    proxy.web(request, response);
  })
  .listen({ host: "127.0.0.1", port: Number(process.env.BENCH_PORT), backlog: 4096 });
