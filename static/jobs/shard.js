// Which of several databases is looked at, where owners are spread among them: the one that the page's own address names
// (`/jobs/?shard=2`); otherwise that of whoever looks.

import { element } from "../dom.js";
import { ask } from "./api.js";
import { looked } from "./inshard.js";

/**
 * Offers the shards beside the views, where there are several.
 * @param {Element} views
 */
export async function offer(views) {
  // Whoever is not known is one owner, whose all is in one of them.
  if (document.documentElement.dataset.auth === "none") return;
  const { shards } = await ask("/me");
  if (shards < 2) return;
  for (let number = 1; number <= shards; number += 1) {
    const link = element("a", "", `Shard ${number}`);
    link.href = `/jobs/?shard=${number}`;
    if (looked === String(number)) link.setAttribute("aria-current", "page");
    const item = element("li", "shard");
    item.append(link);
    views.append(item);
  }
}
