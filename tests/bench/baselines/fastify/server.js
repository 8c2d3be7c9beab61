// What one writes first with Fastify: each message asks PostgreSQL whose number it is.
// node server.js PORT (naive | prepared), with DATABASE_URL, ACCESS_SQL (a file) and WEBHOOK_SECRET.
import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import Fastify from "fastify";
import pg from "pg";

const [port, kind] = process.argv.slice(2);
const text = readFileSync(process.env.ACCESS_SQL, "utf8");
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const digest = (value) => createHash("sha256").update(value).digest();
const secret = digest(process.env.WEBHOOK_SECRET);
const query = kind === "prepared" ? { name: "access", text } : { text };

const app = Fastify();
app.post("/api/vapi/webhook", async (request, reply) => {
  if (!timingSafeEqual(digest(request.headers["x-vapi-secret"] ?? ""), secret)) {
    return reply.code(401).send({ error: "unauthorized" });
  }
  const number = request.body.message.call.phoneNumberId;
  const { rows } = await pool.query({ ...query, values: [number] });
  if (rows.length === 0) return reply.code(404).send({ error: "unknown number" });
  if (!rows[0].allowed) return reply.code(403).send({ error: rows[0].blocked_message });
  return {};
});
await app.listen({ host: "127.0.0.1", port: Number(port) });
