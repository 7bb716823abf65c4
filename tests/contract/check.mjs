// Parses the contract with the official parser, and fails on everything it calls an error or a warning.
//
//     npm install --no-package-lock && node check.mjs ../../docs/asyncapi.json
//
// With a URL (http://127.0.0.1:8000/asyncapi/schema.json) it checks what a running gateway serves.

import { readFile } from "node:fs/promises";
import process from "node:process";

import { DiagnosticSeverity, Parser } from "@asyncapi/parser";

const source = process.argv[2];
if (!source) {
  console.error("usage: node check.mjs FILE-OR-URL");
  process.exit(2);
}

async function read(source) {
  if (!/^https?:/.test(source)) return readFile(source, "utf8");
  const response = await fetch(source);
  if (!response.ok) throw new Error(`${source} answered ${response.status}`);
  return response.text();
}

const { document, diagnostics } = await new Parser().parse(await read(source));
for (const { severity, code, path, message } of diagnostics) {
  console.error(`${DiagnosticSeverity[severity]} ${code} at /${path.join("/")}: ${message}`);
}
const isBad = ({ severity }) => severity <= DiagnosticSeverity.Warning;
if (!document || diagnostics.some(isBad)) process.exit(1);
console.log(`${source}: ${document.operations().length} operations, ${document.messages().length} messages, valid`);
