// The peer in JavaScript: the same bytes from a buffer, no logging.
import Fastify from "fastify";

const { PORT, ORIGIN } = process.env;
const kept = new Map();
for (const name of ["small", "large"]) {
  const answer = await fetch(`${ORIGIN}/${name}`);
  kept.set(name, { etag: answer.headers.get("etag"), body: Buffer.from(await answer.arrayBuffer()) });
}

const app = Fastify({ logger: false });
app.get("/:name", (request, reply) => {
  const { etag, body } = kept.get(request.params.name);
  reply.header("cache-control", "public, max-age=3600").header("etag", etag);
  if (request.headers["if-none-match"] === etag) return reply.code(304).send();
  return reply.type("application/json").send(body);
});
await app.listen({ host: "127.0.0.1", port: Number(PORT) });
