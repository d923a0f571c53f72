// Calls the handler of a Node skill, in a process that is in the jail already. What python_main.py says holds here too.
// The answer goes to descriptor 3, requests to descriptor 4; the handler is called with the input and
// {request, secrets, idempotencyKey, Failed}.
import { readFileSync, readSync, writeSync } from "node:fs";
import { relative } from "node:path";
import { pathToFileURL } from "node:url";

const [entry, place] = process.argv.slice(-2);
const [file, name] = entry.split(":");
const ANSWER = 3;
const WAY_OUT = 4;
const hasWayOut = process.env.WAY_OUT === "1";
delete process.env.WAY_OUT;

class Failed extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

function writeAll(descriptor, bytes) {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

function take(count) {
  const bytes = Buffer.alloc(count);
  for (let at = 0; at < count; ) {
    const got = readSync(WAY_OUT, bytes, at, count - at, null);
    if (got === 0) throw new Failed("unavailable", "The way out was closed.");
    at += got;
  }
  return bytes;
}

function takeLine() {
  const found = [];
  for (let byte = take(1)[0]; byte !== 10; byte = take(1)[0]) found.push(byte);
  return Buffer.from(found).toString("utf8");
}

async function request(method, url, { headers = {}, body, json } = {}) {
  if (!hasWayOut) throw new Failed("egress_refused", "This skill reaches nothing outside: its egress lists no host.");
  const sent = { ...headers };
  if (json !== undefined) {
    body = JSON.stringify(json);
    sent["content-type"] ??= "application/json";
  }
  const data = Buffer.from(body ?? "");
  const head = JSON.stringify({ method, url, headers: sent, bytes: data.length });
  writeAll(WAY_OUT, Buffer.concat([Buffer.from(head + "\n"), data]));
  const answer = JSON.parse(takeLine());
  if (answer.code !== undefined) throw new Failed(answer.code, answer.message);
  const content = take(answer.bytes);
  return {
    status: answer.status,
    headers: answer.headers,
    body: content,
    text: () => content.toString("utf8"),
    json: () => JSON.parse(content.toString("utf8")),
  };
}

function described(error) {
  if (error instanceof Failed) return { code: error.code, message: error.message };
  console.error(error);
  const found = /(?:file:\/\/)?(\/[^\s()]*?):(\d+):\d+/g;
  const inside = [...String(error?.stack ?? "").matchAll(found)].find((each) => each[1].startsWith(place + "/"));
  const where = inside ? ` (${relative(place, inside[1])}, line ${inside[2]})` : "";
  const text = `${error?.name ?? "Error"}: ${error?.message ?? error}`.split("\n")[0].slice(0, 500);
  if (["EPERM", "EACCES", "ERR_ACCESS_DENIED"].includes(error?.cause?.code ?? error?.code)) {
    return { code: "sandbox_refused", message: `The sandbox does not allow this${where}: ${text}` };
  }
  return { code: "skill_failed", message: text + where };
}

function answer(found) {
  writeAll(ANSWER, Buffer.from(JSON.stringify(found)));
  process.exit(0);
}

process.on("uncaughtException", (error) => answer({ error: described(error) }));
try {
  const given = JSON.parse(readFileSync(0, "utf8"));
  const handler = (await import(pathToFileURL(`${place}/${file}`).href))[name];
  const context = { request, secrets: given.secrets, idempotencyKey: given.idempotencyKey, Failed };
  answer({ output: (await handler(given.input, context)) ?? null });
} catch (error) {
  answer({ error: described(error) });
}
