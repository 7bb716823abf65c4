// The message reference: reads the contract and shows it.
//
// Every text of the contract is put into the page as text.

import { byId, element } from "../dom.js";
import { authorization } from "../token.js";
import { Contents } from "./contents.js";
import { Contract, decode, dict } from "./contract.js";
import { Filter } from "./filter.js";
import { Reference, SCHEMA_URL } from "./reference.js";
import { TryIt } from "./tryit.js";

const place = byId("document", HTMLElement);

try {
  // Who may submit jobs is also told what the tasks work on.
  const answer = await fetch(SCHEMA_URL, { headers: { accept: "application/json", ...authorization() } });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  show(new Contract(dict(await answer.json())));
} catch (error) {
  fail(error);
}

/** @param {Contract} contract */
function show(contract) {
  /** @type {TryIt | undefined} */
  let panel;
  const reference = new Reference(contract, (text) => panel?.open(text));
  place.replaceChildren(...reference.render());
  document.title = `${reference.title} · Message reference`;
  panel = new TryIt(contract);
  const contents = new Contents(reference.contents);
  const filter = new Filter(place, () => contents.filtered());
  byId("find", HTMLElement).hidden = false;
  if (!location.hash) return;
  filter.clear();
  document.getElementById(decode(location.hash.slice(1)))?.scrollIntoView();
  // The anchors came into being after the address was read; `:target` is found again only by going there.
  location.replace(location.hash);
}

/** @param {unknown} error */
function fail(error) {
  const message = element(
    "p",
    "failure",
    `The description could not be shown: ${error instanceof Error ? error.message : error}. `,
  );
  const again = element("a", "", "Try again");
  again.href = "";
  message.append(again, ".");
  message.setAttribute("role", "alert");
  place.replaceChildren(message);
  byId("contents", HTMLElement).hidden = true;
}
