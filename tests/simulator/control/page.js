// Copyright (c) 2026 The qingguo.qgnet authors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// All content becomes text nodes and attributes, never HTML: clients of the simulator control much of it.
"use strict";

(() => {
  const POLL_INTERVAL = 1000;
  const MAX_POLL_INTERVAL = 10000;
  const REQUEST_TIMEOUT = 10000;
  const NUMBER_FIELDS = ["code", "drop", "http_status", "seconds", "total"];
  const TEXT_CODES = /^\/(api|share|longterm|exclusive|overseas)\//;
  const JSON_FIELDS = ["headers", "body_extra"];
  const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const byId = (id) => document.getElementById(id);

  // -- language ---------------------------------------------------------------------------------------------------

  let language = navigator.language.startsWith("zh") ? "zh-CN" : "en";
  try {
    language = localStorage.getItem("language") ?? language;
  } catch {
    // The browser keeps nothing for this page.
  }

  // Return a text in the language of the page; the values replace {0} and {1}.
  function t(text, ...values) {
    const found = language === "en" ? text : (CHINESE[text] ?? text);
    return found.replace(/\{(\d)\}/g, (_whole, at) => String(values[Number(at)]));
  }

  const written = new Map();
  for (const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); walker.nextNode(); ) {
    const { data, parentElement } = walker.currentNode;
    if (data.trim() && !parentElement.closest("script, noscript")) written.set(walker.currentNode, data);
  }

  function translate() {
    document.documentElement.lang = language;
    document.title = t("QG.net simulator");
    for (const [node, data] of written) node.data = data.replace(data.trim(), t(data.trim()));
    byId("language").lang = language === "en" ? "zh-CN" : "en";
  }

  // The two largest units of a time in seconds.
  function duration(value) {
    let left = Math.ceil(value);
    const parts = UNITS.map(([unit, size]) => {
      const number = Math.floor(left / size);
      left -= number * size;
      return [number, unit];
    });
    const first = parts.findIndex(([number]) => number);
    const shown = parts.slice(first, first + 2).filter(([number]) => number);
    return (shown.length ? shown : [[0, "s"]]).map(([number, unit]) => `${number} ${t(unit)}`).join(" ");
  }

  // -- elements ---------------------------------------------------------------------------------------------------

  function element(name, attributes, ...content) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined) node.setAttribute(key, value);
    }
    node.append(...content.flat().filter((part) => part !== null));
    return node;
  }

  const code = (text) => element("code", {}, String(text));
  const muted = (text) => element("span", { class: "quiet" }, String(text));
  const chinese = (text) => element("span", { lang: "zh-CN" }, text);
  const tag = (text, kind = "") => element("span", { class: `tag ${kind}` }, String(text));
  const format = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const cell = (kind, ...content) => ({ class: kind, content });
  const number = (value) => cell("number", String(value));
  const remaining = (value) => number(duration(value));

  function remainder(list) {
    const hidden = list.count - list.items.length;
    return hidden > 0 ? [element("p", { class: "quiet" }, t("and {0} more", hidden))] : [];
  }

  // A row is a list of cells: text, elements, or results of "cell". The roles stay when CSS stacks the cells.
  function table(caption, heads, rows) {
    const numbers = rows[0].cells.map((one) => one.class === "number");
    const head = heads.map((text, at) =>
      element("th", { scope: "col", role: "columnheader", class: numbers[at] ? "number" : null }, t(text)),
    );
    const body = rows.map(({ id, cells }) =>
      element(
        "tr",
        { role: "row", "data-id": id },
        cells.map((one, at) => {
          const { class: kind, content } = one.content ? one : cell(null, one);
          const inner = element("div", {}, ...content);
          return element("td", { role: "cell", "data-label": t(heads[at]), class: kind }, inner);
        }),
      ),
    );
    return element(
      "table",
      { role: "table" },
      element("caption", {}, caption),
      element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, head)),
      element("tbody", { role: "rowgroup" }, body),
    );
  }

  function listTable(caption, heads, list, row, nothing) {
    if (!list.count) return [element("p", { class: "quiet" }, t(nothing))];
    return [table(caption, heads, list.items.map(row)), ...remainder(list)];
  }

  // Update a node to the content of a new one and keep unchanged elements: focus, selection and scroll position stay.
  function morph(old, fresh) {
    const known = new Map();
    for (const node of old.children) if (node.dataset.id !== undefined) known.set(node.dataset.id, node);
    let next = old.firstChild;
    for (const node of [...fresh.childNodes]) {
      const id = node.dataset?.id;
      const was = id === undefined ? next : known.get(id);
      if (!was || was.nodeName !== node.nodeName || was.dataset?.id !== id) {
        old.insertBefore(node, next);
        continue;
      }
      known.delete(id);
      if (was === next) next = next.nextSibling;
      else old.insertBefore(was, next);
      if (was.nodeType === Node.TEXT_NODE) {
        if (was.data !== node.data) was.data = node.data;
        continue;
      }
      for (const name of was.getAttributeNames()) if (!node.hasAttribute(name)) was.removeAttribute(name);
      for (const name of node.getAttributeNames()) {
        if (was.getAttribute(name) !== node.getAttribute(name)) was.setAttribute(name, node.getAttribute(name));
      }
      morph(was, node);
    }
    while (next) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    }
  }

  const show = (id, content) => morph(byId(id), element("div", {}, content));

  // -- sections ---------------------------------------------------------------------------------------------------

  function leases(caption, list, nothing) {
    const heads = ["Address", "Server", "Area", "Until", "Left"];
    const row = (lease) => ({
      id: lease.task_id + lease.ip,
      cells: [
        cell("short", code(lease.ip)),
        cell("short", code(lease.host)),
        chinese(`${lease.area} ${lease.isp_name}`),
        lease.deadline,
        remaining(lease.left),
      ],
    });
    return listTable(t(caption, list.count), heads, list, row, nothing);
  }

  function monopolies(list) {
    const heads = ["UUID", "State", "Server", "Exit", "Area"];
    const row = (held) => ({
      id: held.uuid,
      cells: [
        code(held.uuid),
        cell("short", chinese(held.state)),
        cell("short", code(held.ip ?? "–")),
        cell("short", code(held.exit ?? "–")),
        chinese(`${held.area} ${held.isp}`),
      ],
    });
    return listTable(t("Monopolies ({0})", list.count), heads, list, row, "No monopolies.");
  }

  function whitelist(key, at) {
    const list = key.whitelist;
    const title = t("Whitelist ({0} of {1})", list.count, key.capacity);
    if (!list.count) return [element("p", { class: "quiet" }, t("{0}: empty.", title))];
    const scrolls = list.count > 24 ? { tabindex: "0" } : {};
    return [
      element("p", { class: "quiet", id: `whitelist-${at}` }, title),
      element(
        "ul",
        { class: "chips", role: "list", "aria-labelledby": `whitelist-${at}`, ...scrolls },
        list.items.map((address) => element("li", {}, code(address))),
      ),
      ...remainder(list),
    ];
  }

  function channels({ plan, channels_in_use: used }) {
    return plan.billing === "volume"
      ? t("{0} addresses left", plan.balance)
      : t("{0} of {1} channels used", used, plan.channels);
  }

  function keyCard(key, at) {
    const occupancy = key.plan.kind === "exclusive_occupancy";
    const channelsFreeIn = key.channels_free_in.items.map(duration).join(", ");
    return element(
      "article",
      { "data-id": key.key, "aria-labelledby": `key-${at}` },
      element("h3", { id: `key-${at}` }, code(key.key)),
      element(
        "div",
        { class: "tags" },
        tag(t(key.status.replaceAll("_", " ")), key.status === "ok" ? "good" : "bad"),
        tag(t(key.plan.kind.replaceAll("_", " "))),
        tag(occupancy ? t("{0} channels", key.plan.channels) : channels(key)),
        tag(t("paid for {0}", key.paid)),
        key.proxy_url === null ? null : tag(t("proxy {0}", key.proxy_url)),
        key.proxy_url === null ? null : tag(t("leaves from {0}", key.exit)),
        key.tunnel === null ? null : tag(t("tunnel {0}", key.tunnel.url)),
        key.tunnel === null ? null : tag(t("{0} exits in use", key.tunnel.exits)),
      ),
      whitelist(key, at),
      occupancy ? null : leases("Leases ({0})", key.leases, "No leases."),
      key.pool.count ? leases("Pool addresses ({0})", key.pool, "") : null,
      channelsFreeIn ? element("p", { class: "quiet" }, t("Channels that become free in: {0}", channelsFreeIn)) : null,
      occupancy || key.monopolies.count ? monopolies(key.monopolies) : null,
    );
  }

  function windows(list, minute) {
    const row = ({ key, call, count, limit, left }) => ({
      id: `${key} ${call}`,
      cells: [
        cell("name", code(key)),
        code(call),
        [
          element("meter", {
            "aria-label": t("Calls used of {0}", limit),
            max: limit,
            low: limit * 0.7,
            high: limit * 0.9,
            optimum: 0,
            value: count,
          }),
          ` ${t("{0} of {1}", count, limit)}`,
        ],
        remaining(left),
      ],
    });
    const caption = t("Used of the limit; a minute of the vendor lasts {0}", duration(minute));
    return listTable(caption, ["Key", "Call", "Used", "Ends in"], list, row, "No window is open.");
  }

  function faults(list) {
    const row = ({ path, kind, method, times, skip, ...rest }, at) => ({
      id: `${at} ${path} ${kind}`,
      cells: [
        cell("path", code(method ? `${method} ${path}` : path)),
        [t(FAULTS[kind]), muted(kind), ...Object.entries(rest).map(([name, value]) => muted(`${name}: ${format(value)}`))],
        number(times === -1 ? t("always") : times),
        number(skip),
      ],
    });
    const heads = ["Path", "Kind", "Times", "Skip"];
    return listTable(t("Planned ({0})", list.count), heads, list, row, "No fault is planned.");
  }

  function agents(list) {
    const row = ({ appid, balance, instances, domain }) => ({
      id: appid,
      cells: [code(appid), balance.length < 20 ? number(balance) : balance, number(instances), code(domain)],
    });
    return listTable(t("Accounts"), ["App ID", "Balance", "Instances", "Domain"], list, row, "No agent.");
  }

  function echo(list) {
    const row = ({ name, calls, sources, override }) => ({
      id: name,
      cells: [
        code(name),
        number(calls),
        element("div", { class: "tags" }, sources.map(({ source, calls: times }) => tag(`${source} × ${times}`))),
        Object.entries(override).map(([field, value]) => muted(`${field}: ${format(value)}`)),
      ],
    });
    return listTable(t("Requests"), ["Service", "Calls", "Sources", "Override"], list, row, "No requests.");
  }

  function publicAddresses(list) {
    if (!list.count) return [];
    const row = ({ source, public: address }) => ({ id: source, cells: [code(source), code(address)] });
    return listTable(t("Public addresses"), ["Source", "Seen as"], list, row, "");
  }

  function resultTags(call) {
    const slow = ["delay", "hang_after"];
    const waits = call.http_status === null && (call.fault === null || slow.includes(call.fault));
    const found = [];
    if (waits) found.push(tag(t("waiting"), "warn"));
    else if (call.http_status === null) found.push(tag(t("no response"), "bad"));
    else found.push(tag(t("HTTP {0}", call.http_status), call.http_status === 200 ? "good" : "bad"));
    if (call.code !== null) found.push(tag(t("code {0}", call.code), call.executed ? "good" : "bad"));
    if (call.refusal !== null) found.push(tag(call.refusal, "bad"));
    if (call.fault !== null) found.push(tag(t("fault: {0}", t(FAULTS[call.fault])), "warn"));
    if (!waits) found.push(tag(t(call.executed ? "executed" : "not executed"), call.executed ? "good" : "bad"));
    return element("div", { class: "tags" }, found);
  }

  let newest = null;

  function journal(list, filter) {
    const before = newest;
    newest = Math.max(newest ?? 0, list.items[0]?.seq ?? 0);
    const row = (call) => ({
      id: call.seq,
      cells: [
        cell("short", call.time.slice(11), muted(t("No. {0}", call.seq))),
        cell(
          "call",
          code(`${call.method} ${call.path}`),
          ...[call.key, call.params].filter(Boolean).map(muted),
        ),
        cell("from", code(call.public), ...(call.user_agent ? [muted(call.user_agent)] : [])),
        cell("result", resultTags(call)),
      ],
    });
    const [part, all] = [list.items.length, list.count];
    const caption = t(`{0} of {1} calls, newest first${filter ? "; filtered" : ""}`, part, all);
    const heads = ["Time", "Call", "From", "Result"];
    if (!list.items.length) {
      return [element("p", { class: "quiet" }, t(list.count ? "No matching calls." : "No calls yet."))];
    }
    const found = table(caption, heads, list.items.map(row));
    for (const line of found.tBodies[0].rows) {
      if (before !== null && Number(line.dataset.id) > before) line.classList.add("fresh");
    }
    return [found];
  }

  function clockStatus(running, ahead) {
    if (!running) return t("Stopped");
    if (!ahead) return t("Real time");
    return t(ahead > 0 ? "{0} ahead of the real time" : "{0} behind the real time", duration(Math.abs(ahead)));
  }

  function render(shown, filter) {
    byId("clock").textContent = shown.beijing;
    byId("ahead").textContent = clockStatus(shown.running, Math.round(shown.ahead));
    stopped = !shown.running;
    byId("clock-toggle").textContent = t(stopped ? "Start clock" : "Stop clock");
    byId("paid").textContent = t("Paid in total: {0} leases, {1} monopolies.", shown.paid.leases, shown.paid.monopolies);
    show("keys", shown.keys.count ? [shown.keys.items.map(keyCard), remainder(shown.keys)].flat() : [t("No key.")]);
    show("windows", windows(shown.windows, shown.minute));
    show("faults", faults(shown.faults));
    show("agents", agents(shown.agents));
    show("echo", echo(shown.echo));
    show("map", publicAddresses(shown.map));
    show("journal", journal(shown.journal, filter));
  }

  // -- control calls ----------------------------------------------------------------------------------------------

  async function send(method, path, value) {
    const body = value === undefined ? undefined : JSON.stringify(value);
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT);
    const response = await fetch(path, { method, body, cache: "no-store", signal });
    const result = await response.json();
    if (!response.ok) throw new Error(result.error ?? `HTTP ${response.status}`);
    return result;
  }

  let timer = 0;
  let paused = false;
  let stopped = false;
  let polling = false;
  let pollAgain = false;
  let failures = 0;

  function showConnection() {
    const now = paused ? ["paused", "Paused"] : failures ? ["lost", "No response"] : ["live", "Live"];
    const shown = byId("live");
    if (shown.dataset.state !== now[0] || shown.textContent !== t(now[1])) {
      [shown.dataset.state, shown.textContent] = [now[0], t(now[1])];
    }
  }

  function schedule() {
    clearTimeout(timer);
    if (paused || document.hidden) return;
    timer = setTimeout(poll, Math.min(POLL_INTERVAL * 2 ** failures, MAX_POLL_INTERVAL));
  }

  async function poll() {
    clearTimeout(timer);
    if (polling) {
      pollAgain = true;
      return;
    }
    polling = true;
    const filter = byId("filter-path").value.trim();
    let shown = null;
    try {
      shown = await send("GET", `live${filter ? `?path=${encodeURIComponent(filter)}` : ""}`);
      failures = 0;
    } catch {
      failures += 1;
    }
    polling = false;
    showConnection();
    schedule();
    if (pollAgain) {
      pollAgain = false;
      void poll();
    } else if (shown) {
      render(shown, filter);
    }
  }

  // Make a control call, show its result beside the button, and refresh the page.
  async function submit(statusId, done, method, path, value) {
    const output = byId(statusId);
    try {
      await send(method, path, value);
      output.className = "good";
      output.textContent = t(done);
    } catch (error) {
      output.className = "bad";
      output.textContent = error instanceof TypeError ? t("No response from the simulator.") : error.message;
    }
    void poll();
  }

  // -- the fault form ---------------------------------------------------------------------------------------------

  let choices = { kinds: {}, paths: {} };

  const options = (names, label = (name) => name) =>
    names.map((name) => element("option", { value: name }, label(name)));

  function field(name, kind, needed) {
    const id = `field-${name}`;
    const note = needed ? null : t(" (optional)");
    let input = element("input", { id, type: "text" });
    if (name === "executed") {
      input = element("select", { id }, element("option", { value: "" }, t("as usual")), options(["true", "false"]));
    } else if (JSON_FIELDS.includes(name) || (name === "body" && kind === "replace")) {
      input = element("textarea", { id, rows: "2", spellcheck: "false", placeholder: "JSON" });
    } else if (NUMBER_FIELDS.includes(name) && !(name === "code" && TEXT_CODES.test(byId("plan-path").value))) {
      input = element("input", { id, type: "number", step: ["seconds", "total"].includes(name) ? "any" : "1" });
    }
    input.required = needed;
    return element("label", { class: input.localName === "textarea" ? "wide" : null }, name, note, input);
  }

  function planFields() {
    const kind = byId("plan-kind").value;
    const { executes, required, optional } = choices.kinds[kind];
    byId("plan-fields").replaceChildren(
      ...required.map((name) => field(name, kind, true)),
      ...optional.map((name) => field(name, kind, false)),
    );
    byId("plan-about").textContent = t(executes ? "The call is executed." : "The call is not executed.");
  }

  function planMethods() {
    const methods = choices.paths[byId("plan-path").value];
    byId("plan-method").replaceChildren(element("option", { value: "" }, t("any")), ...options(methods));
    planFields();
  }

  function parseField(name, kind, text) {
    if (name === "executed") return text === "true";
    if (JSON_FIELDS.includes(name) || (name === "body" && kind === "replace")) {
      try {
        return JSON.parse(text);
      } catch {
        throw new Error(t("{0}: JSON expected", name));
      }
    }
    return NUMBER_FIELDS.includes(name) && Number.isFinite(Number(text)) ? Number(text) : text;
  }

  function readFault() {
    const kind = byId("plan-kind").value;
    const fault = { path: byId("plan-path").value, kind };
    fault.times = Number(byId("plan-times").value);
    fault.skip = Number(byId("plan-skip").value);
    if (byId("plan-method").value) fault.method = byId("plan-method").value;
    for (const input of byId("plan-fields").querySelectorAll("input, select, textarea")) {
      const name = input.id.slice("field-".length);
      if (input.value !== "") fault[name] = parseField(name, kind, input.value);
    }
    return fault;
  }

  async function start() {
    translate();
    byId("address").textContent = location.origin;
    void poll();
    choices = await send("GET", "choices");
    byId("plan-path").replaceChildren(...options(Object.keys(choices.paths)));
    byId("paths").replaceChildren(...options(Object.keys(choices.paths)));
    planKinds();
  }

  function planKinds() {
    const chosen = byId("plan-kind").value;
    byId("plan-kind").replaceChildren(...options(Object.keys(choices.kinds), (kind) => `${t(FAULTS[kind])} (${kind})`));
    if (chosen) byId("plan-kind").value = chosen;
    planMethods();
  }

  byId("plan-path").addEventListener("change", planMethods);
  byId("plan-kind").addEventListener("change", planFields);
  byId("plan").addEventListener("submit", (event) => {
    event.preventDefault();
    try {
      void submit("plan-status", "Planned.", "POST", "faults", readFault());
    } catch (error) {
      byId("plan-status").className = "bad";
      byId("plan-status").textContent = error.message;
    }
  });
  byId("clear-faults").addEventListener("click", () => submit("plan-status", "Cleared.", "DELETE", "faults"));
  byId("clear-journal").addEventListener("click", () => submit("journal-status", "Cleared.", "DELETE", "journal"));
  byId("advance").addEventListener("submit", (event) => {
    event.preventDefault();
    const advance = Number(byId("advance-by").value) * Number(byId("advance-unit").value);
    void submit("advance-status", "Advanced.", "PUT", "clock", { advance });
  });
  byId("clock-toggle").addEventListener("click", () => {
    void submit("advance-status", stopped ? "Started." : "Stopped.", "PUT", "clock", { running: stopped });
  });
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  byId("filter-path").addEventListener("input", () => void poll());
  byId("pause").addEventListener("click", () => {
    paused = !paused;
    byId("pause").setAttribute("aria-pressed", String(paused));
    showConnection();
    if (!paused) void poll();
    else schedule();
  });
  byId("reset").addEventListener("click", () => {
    if (confirm(t("Back to the start state? Keys, leases, faults and the journal are lost."))) {
      void submit("reset-status", "Reset.", "POST", "reset");
    }
  });
  byId("language").addEventListener("click", () => {
    language = language === "en" ? "zh-CN" : "en";
    try {
      localStorage.setItem("language", language);
    } catch {
      // The choice holds until the page is closed.
    }
    translate();
    showConnection();
    planKinds();
    void poll();
  });
  document.addEventListener("visibilitychange", () => (document.hidden || paused ? schedule() : void poll()));
  void start();
})();
