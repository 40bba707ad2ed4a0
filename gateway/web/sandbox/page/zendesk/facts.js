// What stands beside a ticket: who asks, how the ticket is filed, what the limits leave, which webhooks went out.

import { make } from "../nodes.js";

/** @typedef {import("./texts.js").Words} Words */

/** @param {Words} words @param {any} ticket */
export function ticketFacts(words, ticket) {
  const { say } = words;
  const { requester, line } = ticket;
  const who = facts([
    ["", requester.name],
    [say("externalId"), requester.external_id],
    [say("phone"), requester.phone],
    [say("email"), requester.email],
    [say("language"), requester.language],
  ]);
  const tags = ticket.tags.length ? make("span", "tags", ...ticket.tags.map((/** @type {string} */ tag) => make("span", "tag", tag))) : say("noTags");
  const what = facts([
    [say("status"), words.word("statuses", line.status)],
    [say("assignee"), line.assignee || say("nobody")],
    [say("priority"), line.priority && words.word("priorities", line.priority)],
    [say("group"), ticket.group],
    [say("form"), ticket.form],
    [say("externalId"), ticket.external_id],
    ...ticket.fields.map((/** @type {any} */ fact) => [fact.title, fact.value]),
    [say("tags"), tags],
  ]);
  return [section(say("requester"), who), section(say("details"), what)];
}

/** @param {Words} words @param {any} pulse @param {any} ticket may be null */
export function accountFacts(words, pulse, ticket) {
  const budgets = ticket && ticket.line.status !== "closed" ? [ticket.budget, ...pulse.budgets] : pulse.budgets;
  const limits = make("div", "budgets", ...budgets.map((/** @type {any} */ one) => budget(words, one)), make("p", "soft", words.say("limitsNote")));
  const hooks = pulse.hooks.length
    ? make("ol", "hooks", ...pulse.hooks.map((/** @type {any} */ hook) => hookLine(words, hook)))
    : make("p", "soft", words.say("noHooks"));
  return [section(words.say("limits"), limits), section(words.say("hooks"), hooks)];
}

function budget(/** @type {Words} */ words, /** @type {any} */ one) {
  const share = one.total ? one.remaining / one.total : 0;
  const name = words.word("budgets", one.name);
  const left = words.say("left", { n: one.remaining, total: one.total });
  const refills = one.resets_s && share < 0.2 ? make("span", "soft", words.say("refills", { s: one.resets_s })) : null;
  const meter = make("meter", { min: "0", max: String(one.total), low: String(one.total * 0.2), optimum: String(one.total), value: String(one.remaining), "aria-label": `${name}: ${left}` });
  return make("div", share < 0.2 ? "budget low" : "budget", make("span", "name", name), make("span", "left", left), meter, refills);
}

function hookLine(/** @type {Words} */ words, /** @type {any} */ hook) {
  const tries = hook.tries > 1 ? ` · ${hook.tries}×` : "";
  return make("li", hook.fate, make("span", "", `${words.word("kinds", hook.kind)} · #${hook.ticket_id}`), make("span", "fate", words.word("fates", hook.fate) + tries));
}

function section(/** @type {string} */ title, /** @type {Node} */ content) {
  return make("section", "fact", make("h2", "", title), content);
}

function facts(/** @type {[string, Node | string][]} */ pairs) {
  const list = make("dl");
  for (const [title, value] of pairs) {
    if (!value) continue;
    list.append(make("div", title ? "" : "name", make("dt", title ? "" : "spoken", title || "·"), make("dd", "", value)));
  }
  return list;
}
