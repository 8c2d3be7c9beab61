// What one writes first with Next.js: a route handler that asks PostgreSQL whose number it is.
import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import pg from "pg";

export const dynamic = "force-dynamic";

const digest = (value) => createHash("sha256").update(value).digest();
let parts;

function open() {
  // At the first message, because the build reads this module as well.
  return {
    pool: new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 }),
    secret: digest(process.env.WEBHOOK_SECRET),
    text: readFileSync(process.env.ACCESS_SQL, "utf8"),
  };
}

export async function POST(request) {
  parts ??= open();
  if (!timingSafeEqual(digest(request.headers.get("x-vapi-secret") ?? ""), parts.secret)) {
    return Response.json({ error: "unauthorized" }, { status: 401 });
  }
  const { message } = await request.json();
  const { rows } = await parts.pool.query(parts.text, [message.call.phoneNumberId]);
  if (rows.length === 0) return Response.json({ error: "unknown number" }, { status: 404 });
  if (!rows[0].allowed) {
    return Response.json({ error: rows[0].blocked_message }, { status: 403 });
  }
  return Response.json({});
}
