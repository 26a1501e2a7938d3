// Parts of a page, fetched again and put in the place of what is there. Scripts in them never run.

const policy = globalThis.trustedTypes?.createPolicy("hansard", { createHTML: (text) => text }) ?? { createHTML: (text) => text };

// Fetch a page of ours and give it as a document, of which nothing is shown or run.
export async function fetched(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (answer.redirected && new URL(answer.url).pathname === "/sign-in") location.assign(answer.url);
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  return parsed(await answer.text());
}

// A page of ours as a document, of which nothing is shown or run.
export function parsed(text) {
  return new DOMParser().parseFromString(policy.createHTML(text), "text/html");
}

// Put the new page's part with this id in the place of the old one; gives it.
export function swap(id, from) {
  const [old, fresh] = [document.getElementById(id), from.getElementById(id)];
  if (!old || !fresh) return old;
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceWith(document.adoptNode(fresh));
  if (focused) document.getElementById(focused)?.focus();
  return fresh;
}
