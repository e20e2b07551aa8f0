// Copyright (c) 2026 The qingguo.qgnet authors
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Whatever is shown becomes text nodes and attributes, never HTML: callers decide what much of it says.
"use strict";

(() => {
  const EVERY = 1000;
  const SLOWEST = 10000;
  const NUMBERS = ["code", "drop", "http_status", "seconds", "total"];
  const OBJECTS = ["headers", "body_extra"];
  const find = (id) => document.getElementById(id);

  // -- elements ---------------------------------------------------------------------------------------------------

  function make(name, attributes, ...content) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined) node.setAttribute(key, value);
    }
    node.append(...content.flat().filter((part) => part !== null));
    return node;
  }

  const code = (text) => make("code", {}, String(text));
  const quiet = (text) => make("span", { class: "quiet" }, String(text));
  const chinese = (text) => make("span", { lang: "zh-CN" }, text);
  const tag = (text, kind = "") => make("span", { class: `tag ${kind}` }, String(text));
  const words = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const cell = (kind, ...content) => ({ class: kind, content });
  const number = (value) => cell("number", String(value));
  const seconds = (value) => number(`${Math.ceil(value)} s`);

  function more(list) {
    const hidden = list.count - list.items.length;
    return hidden > 0 ? [make("p", { class: "quiet" }, `and ${hidden} more`)] : [];
  }

  // A row is a list of cells: text, elements, or what "cell" makes. The roles stay where CSS stacks the cells.
  function table(caption, heads, rows) {
    const numbers = rows[0].cells.map((one) => one.class === "number");
    const head = heads.map((text, at) =>
      make("th", { scope: "col", role: "columnheader", class: numbers[at] ? "number" : null }, text),
    );
    const body = rows.map(({ id, cells }) =>
      make(
        "tr",
        { role: "row", "data-id": id },
        cells.map((one, at) => {
          const { class: kind, content } = one.content ? one : cell(null, one);
          const inner = make("div", {}, ...content);
          return make("td", { role: "cell", "data-label": heads[at], class: kind }, inner);
        }),
      ),
    );
    return make(
      "table",
      { role: "table" },
      make("caption", {}, caption),
      make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, head)),
      make("tbody", { role: "rowgroup" }, body),
    );
  }

  function listed(caption, heads, list, row, nothing) {
    if (!list.count) return [make("p", { class: "quiet" }, nothing)];
    return [table(caption, heads, list.items.map(row)), ...more(list)];
  }

  // Make a node's content that of a fresh one, and touch nothing else: focus, selection and scrolling stay.
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

  const show = (id, content) => morph(find(id), make("div", {}, content));

  // -- what is shown ----------------------------------------------------------------------------------------------

  function leases(caption, list) {
    const heads = ["Address", "Server", "Area", "Until", "Left"];
    const row = (lease) => ({
      id: lease.task_id + lease.ip,
      cells: [
        code(lease.ip),
        code(lease.host),
        chinese(`${lease.area} ${lease.isp_name}`),
        lease.deadline,
        seconds(lease.left),
      ],
    });
    return listed(`${caption} (${list.count})`, heads, list, row, `No ${caption.toLowerCase()}.`);
  }

  function monopolies(list) {
    const heads = ["UUID", "State", "Server", "Exit", "Area"];
    const row = (held) => ({
      id: held.uuid,
      cells: [
        code(held.uuid),
        chinese(held.state),
        code(held.ip ?? "–"),
        code(held.exit ?? "–"),
        chinese(`${held.area} ${held.isp}`),
      ],
    });
    return listed(`Monopolies (${list.count})`, heads, list, row, "No monopolies.");
  }

  function whitelist(key, at) {
    const list = key.whitelist;
    const title = `Whitelist (${list.count} of ${key.capacity})`;
    if (!list.count) return [make("p", { class: "quiet" }, `${title}: empty.`)];
    const scrolls = list.count > 24 ? { tabindex: "0" } : {};
    return [
      make("p", { class: "quiet", id: `whitelist-${at}` }, title),
      make(
        "ul",
        { class: "chips", role: "list", "aria-labelledby": `whitelist-${at}`, ...scrolls },
        list.items.map((address) => make("li", {}, code(address))),
      ),
      ...more(list),
    ];
  }

  function channels({ plan, busy }) {
    return plan.billing === "volume" ? `${plan.balance} addresses left` : `${busy} of ${plan.channels} channels used`;
  }

  function keyCard(key, at) {
    const occupancy = key.plan.kind === "exclusive_occupancy";
    const freeing = key.freeing.items.map((left) => `${Math.ceil(left)} s`).join(", ");
    return make(
      "article",
      { "data-id": key.key, "aria-labelledby": `key-${at}` },
      make("h3", { id: `key-${at}` }, code(key.key)),
      make(
        "div",
        { class: "tags" },
        tag(key.status, key.status === "ok" ? "good" : "bad"),
        tag(key.plan.kind.replaceAll("_", " ")),
        tag(occupancy ? `${key.plan.channels} channels` : channels(key)),
        key.proxy_url === null ? null : tag(`proxy ${key.proxy_url}`),
        key.proxy_url === null ? null : tag(`leaves from ${key.exit}`),
      ),
      whitelist(key, at),
      occupancy ? null : leases("Leases", key.leases),
      key.pool.count ? leases("Pool addresses", key.pool) : null,
      freeing ? make("p", { class: "quiet" }, `Channels that become free in: ${freeing}`) : null,
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
          make("meter", {
            "aria-label": `Calls used of ${limit}`,
            max: limit,
            low: limit * 0.7,
            high: limit * 0.9,
            optimum: 0,
            value: count,
          }),
          ` ${count} of ${limit}`,
        ],
        seconds(left),
      ],
    });
    const caption = `Used of the limit; a minute of the vendor lasts ${minute} s`;
    return listed(caption, ["Key", "Call", "Used", "Ends in"], list, row, "No window is open.");
  }

  function faults(list) {
    const row = ({ path, kind, method, times, skip, ...rest }, at) => ({
      id: `${at} ${path} ${kind}`,
      cells: [
        cell("path", code(method ? `${method} ${path}` : path)),
        [kind, ...Object.entries(rest).map(([name, value]) => quiet(`${name}: ${words(value)}`))],
        number(times === -1 ? "always" : times),
        number(skip),
      ],
    });
    return listed(`Still to come (${list.count})`, ["Path", "Kind", "Times", "Skip"], list, row, "No fault is planned.");
  }

  function agents(list) {
    const row = ({ appid, balance, instances, domain }) => ({
      id: appid,
      cells: [code(appid), balance.length < 20 ? number(balance) : balance, number(instances), code(domain)],
    });
    return listed("Accounts", ["App ID", "Balance", "Instances", "Domain"], list, row, "No agent.");
  }

  function echo(list) {
    const row = ({ name, calls, sources, override }) => ({
      id: name,
      cells: [
        code(name),
        number(calls),
        make("div", { class: "tags" }, sources.map(({ source, calls: times }) => tag(`${source} × ${times}`))),
        Object.entries(override).map(([field, value]) => quiet(`${field}: ${words(value)}`)),
      ],
    });
    return listed("Who asked", ["Service", "Calls", "Sources", "Override"], list, row, "Nobody has asked.");
  }

  function publicAddresses(list) {
    if (!list.count) return [];
    const row = ({ source, public: address }) => ({ id: source, cells: [code(source), code(address)] });
    return listed("Public addresses", ["Source", "Seen as"], list, row, "");
  }

  function outcome(call) {
    const slow = ["delay", "hang_after"];
    const waits = call.http_status === null && (call.fault === null || slow.includes(call.fault));
    const found = [];
    if (waits) found.push(tag("waiting", "warn"));
    else if (call.http_status === null) found.push(tag("no answer", "bad"));
    else found.push(tag(`HTTP ${call.http_status}`, call.http_status === 200 ? "good" : "bad"));
    if (call.code !== null) found.push(tag(`code ${call.code}`, call.executed ? "good" : "bad"));
    if (call.refusal !== null) found.push(tag(call.refusal, "bad"));
    if (call.fault !== null) found.push(tag(`fault ${call.fault}`, "warn"));
    if (!waits) found.push(tag(call.executed ? "done" : "not done", call.executed ? "good" : "bad"));
    return make("div", { class: "tags" }, found);
  }

  let newest = null;

  function journal(list, filter) {
    const before = newest;
    newest = Math.max(newest ?? 0, list.items[0]?.seq ?? 0);
    const row = (call) => ({
      id: call.seq,
      cells: [
        number(call.seq),
        cell("short", call.time.slice(11)),
        cell("name", call.key === null ? "–" : code(call.key)),
        [code(`${call.method} ${call.path}`), call.params ? quiet(call.params) : null],
        cell("path", code(call.public), call.user_agent ? quiet(call.user_agent) : null),
        cell("result", outcome(call)),
      ],
    });
    const caption = `${list.items.length} of ${list.count} calls, newest first${filter ? "; filtered" : ""}`;
    const heads = ["No.", "Time", "Key", "Call", "From", "Result"];
    if (!list.items.length) {
      return [make("p", { class: "quiet" }, list.count ? "No call has such a path." : "No calls yet.")];
    }
    const found = table(caption, heads, list.items.map(row));
    for (const line of found.tBodies[0].rows) {
      if (before !== null && Number(line.dataset.id) > before) line.classList.add("fresh");
    }
    return [found];
  }

  function pace(running, ahead) {
    if (!running) return "Stands still";
    if (!ahead) return "Real time";
    return `${Math.abs(ahead)} s ${ahead > 0 ? "ahead of" : "behind"} the real time`;
  }

  function render(shown, filter) {
    find("clock").textContent = shown.beijing;
    find("ahead").textContent = pace(shown.running, Math.round(shown.ahead));
    still = !shown.running;
    find("hold").textContent = still ? "Run on" : "Hold still";
    show("keys", shown.keys.count ? [shown.keys.items.map(keyCard), more(shown.keys)].flat() : ["No key."]);
    show("windows", windows(shown.windows, shown.minute));
    show("faults", faults(shown.faults));
    show("agents", agents(shown.agents));
    show("echo", echo(shown.echo));
    show("map", publicAddresses(shown.map));
    show("journal", journal(shown.journal, filter));
  }

  // -- the simulator ----------------------------------------------------------------------------------------------

  async function ask(method, path, value) {
    const body = value === undefined ? undefined : JSON.stringify(value);
    const answer = await fetch(path, { method, body, cache: "no-store", signal: AbortSignal.timeout(SLOWEST) });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error ?? `HTTP ${answer.status}`);
    return told;
  }

  let timer = 0;
  let paused = false;
  let still = false;
  let busy = false;
  let again = false;
  let failures = 0;

  function state() {
    const now = paused ? ["paused", "Paused"] : failures ? ["lost", "No answer"] : ["live", "Live"];
    const shown = find("live");
    if (shown.dataset.state !== now[0]) [shown.dataset.state, shown.textContent] = now;
  }

  function schedule() {
    clearTimeout(timer);
    if (paused || document.hidden) return;
    timer = setTimeout(poll, Math.min(EVERY * 2 ** failures, SLOWEST));
  }

  async function poll() {
    clearTimeout(timer);
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    const filter = find("filter-path").value.trim();
    let shown = null;
    try {
      shown = await ask("GET", `live${filter ? `?path=${encodeURIComponent(filter)}` : ""}`);
      failures = 0;
    } catch {
      failures += 1;
    }
    busy = false;
    state();
    schedule();
    if (again) {
      again = false;
      void poll();
    } else if (shown) {
      render(shown, filter);
    }
  }

  // Do something, tell beside the button how it went, and look at once.
  async function act(said, done, method, path, value) {
    const place = find(said);
    try {
      await ask(method, path, value);
      place.className = "good";
      place.textContent = done;
    } catch (problem) {
      place.className = "bad";
      place.textContent = problem instanceof TypeError ? "No answer from the simulator." : problem.message;
    }
    void poll();
  }

  // -- the form for faults ----------------------------------------------------------------------------------------

  let choices = { kinds: {}, paths: {} };

  const options = (names) => names.map((name) => make("option", { value: name }, name));

  function field(name, kind, needed) {
    const id = `field-${name}`;
    const note = needed ? null : " (optional)";
    let input = make("input", { id, type: "text" });
    if (name === "executed") {
      input = make("select", { id }, make("option", { value: "" }, "as usual"), options(["true", "false"]));
    } else if (OBJECTS.includes(name) || (name === "body" && kind === "replace")) {
      input = make("textarea", { id, rows: "2", spellcheck: "false", placeholder: "JSON" });
    } else if (NUMBERS.includes(name) && !(name === "code" && find("plan-path").value.startsWith("/api/"))) {
      input = make("input", { id, type: "number", step: ["seconds", "total"].includes(name) ? "any" : "1" });
    }
    input.required = needed;
    return make("label", { class: input.localName === "textarea" ? "wide" : null }, name, note, input);
  }

  function planFields() {
    const kind = find("plan-kind").value;
    const { executes, required, optional } = choices.kinds[kind];
    find("plan-fields").replaceChildren(
      ...required.map((name) => field(name, kind, true)),
      ...optional.map((name) => field(name, kind, false)),
    );
    find("plan-about").textContent = executes ? "The call is carried out." : "The call is not carried out.";
  }

  function planMethods() {
    const methods = choices.paths[find("plan-path").value];
    find("plan-method").replaceChildren(make("option", { value: "" }, "any"), ...options(methods));
    planFields();
  }

  function value(name, kind, text) {
    if (name === "executed") return text === "true";
    if (OBJECTS.includes(name) || (name === "body" && kind === "replace")) {
      try {
        return JSON.parse(text);
      } catch {
        throw new Error(`${name}: JSON expected`);
      }
    }
    return NUMBERS.includes(name) && Number.isFinite(Number(text)) ? Number(text) : text;
  }

  function planned() {
    const kind = find("plan-kind").value;
    const fault = { path: find("plan-path").value, kind };
    fault.times = Number(find("plan-times").value);
    fault.skip = Number(find("plan-skip").value);
    if (find("plan-method").value) fault.method = find("plan-method").value;
    for (const input of find("plan-fields").querySelectorAll("input, select, textarea")) {
      const name = input.id.slice("field-".length);
      if (input.value !== "") fault[name] = value(name, kind, input.value);
    }
    return fault;
  }

  async function start() {
    find("address").textContent = location.origin;
    void poll();
    choices = await ask("GET", "choices");
    find("plan-path").replaceChildren(...options(Object.keys(choices.paths)));
    find("plan-kind").replaceChildren(...options(Object.keys(choices.kinds)));
    find("paths").replaceChildren(...options(Object.keys(choices.paths)));
    planMethods();
  }

  find("plan-path").addEventListener("change", planMethods);
  find("plan-kind").addEventListener("change", planFields);
  find("plan").addEventListener("submit", (event) => {
    event.preventDefault();
    try {
      void act("plan-said", "Planned.", "POST", "faults", planned());
    } catch (problem) {
      find("plan-said").className = "bad";
      find("plan-said").textContent = problem.message;
    }
  });
  find("clear-faults").addEventListener("click", () => act("plan-said", "Cleared.", "DELETE", "faults"));
  find("clear-journal").addEventListener("click", () => act("journal-said", "Cleared.", "DELETE", "journal"));
  find("advance").addEventListener("submit", (event) => {
    event.preventDefault();
    const advance = Number(find("advance-by").value) * Number(find("advance-unit").value);
    void act("advance-said", "Moved on.", "PUT", "clock", { advance });
  });
  find("hold").addEventListener("click", () => {
    void act("advance-said", still ? "Runs on." : "Held.", "PUT", "clock", { running: still });
  });
  find("filter").addEventListener("submit", (event) => event.preventDefault());
  find("filter-path").addEventListener("input", () => void poll());
  find("pause").addEventListener("click", () => {
    paused = !paused;
    find("pause").setAttribute("aria-pressed", String(paused));
    state();
    if (!paused) void poll();
    else schedule();
  });
  find("reset").addEventListener("click", () => {
    if (confirm("Back to the start state? Keys, leases, faults and the journal are lost.")) {
      void act("reset-said", "Reset.", "POST", "reset");
    }
  });
  document.addEventListener("visibilitychange", () => (document.hidden || paused ? schedule() : void poll()));
  void start();
})();
