// Parses the contract with the official parser, and fails on everything it calls an error or a warning, and on every
// example that its own schema does not allow.
//
//     npm install --no-package-lock && node check.mjs ../../docs/asyncapi.json
//
// With a URL (http://127.0.0.1:8000/asyncapi/schema.json) it checks what a running gateway serves.

import { readFile } from "node:fs/promises";
import process from "node:process";

import { DiagnosticSeverity, Parser } from "@asyncapi/parser";
import { Ajv } from "ajv";
import addFormats from "ajv-formats";

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

/** What is wrong with the examples, which the parser does not look at. */
function wrongExamples(messages) {
  const ajv = addFormats(new Ajv({ strict: false, formats: { int16: true, int32: true, uint32: true } }));
  return messages.flatMap((message) => {
    const isValid = ajv.compile(message.payload().json());
    const examples = message.examples().all();
    if (examples.length === 0) return [`${message.name()} has no example`];
    const wrong = examples.filter((example) => !isValid(example.payload()));
    return wrong.map((example) => {
      isValid(example.payload());
      return `${message.name()}, "${example.summary()}": ${ajv.errorsText(isValid.errors)}`;
    });
  });
}

const { document, diagnostics } = await new Parser().parse(await read(source));
for (const { severity, code, path, message } of diagnostics) {
  console.error(`${DiagnosticSeverity[severity]} ${code} at /${path.join("/")}: ${message}`);
}
const isBad = ({ severity }) => severity <= DiagnosticSeverity.Warning;
if (!document || diagnostics.some(isBad)) process.exit(1);

const messages = document.messages().all();
const wrong = wrongExamples(messages);
for (const complaint of wrong) console.error(complaint);
if (wrong.length > 0) process.exit(1);
const examples = messages.reduce((count, message) => count + message.examples().length, 0);
console.log(`${source}: ${document.operations().length} operations, ${messages.length} messages, ${examples} examples, valid`);
