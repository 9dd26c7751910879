// The page: polls the snapshot and draws each part anew only when that part changed, so that a form or the focus is never lost.
// Texts go in as text nodes: nothing of the data is ever markup.
const PERIOD = 3000;
const drawn = new Map();
let chosen = null;
let snapshot = {};

const SVG = "http://www.w3.org/2000/svg";
const at = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const element = ["svg", "g", "rect", "path", "text", "circle", "title"].includes(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const number = (value) => (typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(4) : String(value));
const moment = (milliseconds) => new Date(milliseconds).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
const wellness = (state, text) => make("span", { class: state }, text);
const plural = (count, noun) => `${count.toLocaleString()} ${noun}${count === 1 ? "" : "s"}`;

function table(header, rows) {
  const head = make("tr", {}, ...header.map((name) => make("th", { scope: "col" }, name)));
  const body = rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell))));
  return make("div", { class: "scroll", tabindex: "0" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}

function part(id, value, draw) {
  const text = JSON.stringify(value);
  if (drawn.get(id) === text) return;
  drawn.set(id, text);
  const focus = document.activeElement?.dataset?.id;
  at(id).replaceChildren(...draw(value));
  if (focus) at(id).querySelector(`[data-id="${CSS.escape(focus)}"]`)?.focus();
}

// Graph

function cut(text, most) {
  return text.length <= most ? text : text.slice(0, most - 1) + "…";
}

function graph({ nodes, edges, width, height, box: [w, h] }) {
  if (!nodes.length) return [make("p", { class: "card" }, "No specs yet: write some in specs/, or look at an example: mlx init NEW-FOLDER --template flights.")];
  const places = new Map(nodes.map((node) => [node.id, node]));
  const lines = edges.map(([from, to]) => {
    const [a, b] = [places.get(from), places.get(to)];
    const [x1, y1, x2, y2] = [a.x + w, a.y + h / 2, b.x, b.y + h / 2];
    const bend = Math.max(24, (x2 - x1) / 2);
    return make("path", { class: "line", "data-from": from, "data-to": to, d: `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}` });
  });
  const boxes = nodes.map((node) =>
    make(
      "g",
      {
        class: "node", role: "button", tabindex: "0", "data-id": node.id, "aria-pressed": String(node.id === chosen),
        "aria-label": `${node.id}: ${node.status}`, transform: `translate(${node.x},${node.y})`,
        onclick: () => choose(node.id),
        onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(node.id); } },
      },
      make("title", {}, `${node.id}: ${node.status}`),
      make("rect", { width: w, height: h }),
      make("rect", { class: `fill-${node.state}`, width: 6, height: h }),
      make("text", { class: "kind", x: 18, y: 21 }, node.kind),
      make("text", { class: `status fill-${node.state}`, x: w - 10, y: 21 }, cut(node.status.split("(")[0], 16)),
      make("text", { x: 18, y: 43 }, cut(node.name, 18)),
    ),
  );
  return [make("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Objects and what they depend on" }, ...lines, ...boxes)];
}

function choose(id) {
  chosen = id === chosen ? null : id;
  for (const box of document.querySelectorAll("#graph .node")) box.setAttribute("aria-pressed", String(box.dataset.id === chosen));
  for (const line of document.querySelectorAll("#graph .line")) line.classList.toggle("near", [line.dataset.from, line.dataset.to].includes(chosen));
  details();
}

function details() {
  part("chosen", snapshot.graph?.nodes.find((node) => node.id === chosen) ?? null, (node) => {
    if (!node) return [];
    const answer = make("output");
    const ask = make("button", { type: "button", class: "quiet", onclick: () => why(node.id, answer) }, "Why?");
    return [
      make("h3", {}, node.id, " ", wellness(node.state, node.status)),
      node.description ? make("p", {}, node.description) : null,
      make("p", {}, node.detail || "–"),
      make("p", { class: "soft" }, node.place ? `written in ${node.place} ` : "no longer written in specs/ ", ask),
      answer,
    ].filter(Boolean);
  });
}

async function why(id, answer) {
  answer.textContent = "looking…";
  const found = await ask(`/api/why/${id.split("/").map(encodeURIComponent).join("/")}`);
  if (found.error) return answer.replaceChildren(wellness("bad", found.error));
  const lines = found.lineage.map((origin) => make("p", {}, `${origin.id}: ${origin.text}`));
  if (found.well) return answer.replaceChildren(wellness("well", "Nothing is wrong."), ...lines);
  const { object, reason, fix } = found.cause;
  answer.replaceChildren(make("p", {}, wellness("bad", "Cause "), `${object}: ${reason}`), make("p", {}, wellness("well", "Fix "), fix));
}

// Models

function model(one) {
  const title = make("h3", {}, one.name, " ", wellness(one.state, one.status));
  const parts = [title, make("p", { class: "soft" }, one.detail)];
  if (!one.versions.length) return make("article", { class: "card" }, ...parts);
  const names = [...new Set(one.versions.flatMap((version) => Object.keys(version.metrics)))].sort();
  const told = [...new Set([...one.told.filter((name) => names.includes(name)), ...names])];
  const rows = [...one.versions].reverse().map((version) => [
    version.version, version.aliases.length ? make("span", { class: "tag well" }, version.aliases.join(", ")) : "", moment(version.created),
    ...told.slice(0, 6).map((name) => (name in version.metrics ? number(version.metrics[name]) : "–")), make("code", {}, version.fingerprint.slice(0, 12)),
  ]);
  parts.push(table(["version", "alias", "registered", ...told.slice(0, 6), "fingerprint"], rows));
  if (told.length && one.versions.length > 1) parts.push(trends(one, told));
  if (one.leaderboard) parts.push(leaderboard(one.leaderboard));
  return make("article", { class: "card" }, ...parts);
}

const metricOf = new Map();

function trends(one, names) {
  const place = make("div");
  const show = (name) => { metricOf.set(one.name, name); place.replaceChildren(trend(one.versions, name)); };
  const select = make("select", { "aria-label": `Metric of ${one.name}`, onchange: (event) => show(event.target.value) }, ...names.map((name) => make("option", {}, name)));
  const first = names.includes(metricOf.get(one.name)) ? metricOf.get(one.name) : names[0];
  select.value = first;
  show(first);
  return make("div", {}, make("p", {}, "Over the versions: ", select), place);
}

function trend(versions, name) {
  const points = versions.filter((version) => name in version.metrics).map((version) => ({ version: version.version, value: version.metrics[name] }));
  const [low, high] = [Math.min(...points.map((point) => point.value)), Math.max(...points.map((point) => point.value))];
  const [width, height, left, edge] = [420, 120, 60, 16];
  const x = (index) => left + (index * (width - left - edge)) / Math.max(points.length - 1, 1);
  const y = (value) => (high === low ? height / 2 - edge : edge + ((high - value) * (height - 3 * edge)) / (high - low));
  const line = points.map((point, index) => `${index ? "L" : "M"}${x(index)},${y(point.value)}`).join(" ");
  return make(
    "svg", { class: "trend", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${name} of ${points.length} versions, from ${number(low)} to ${number(high)}` },
    make("path", { d: line }), make("text", { x: 0, y: y(high) + 4 }, number(high)), high === low ? null : make("text", { x: 0, y: y(low) + 4 }, number(low)),
    ...points.flatMap((point, index) => [
      make("circle", { cx: x(index), cy: y(point.value), r: 4 }, make("title", {}, `version ${point.version}: ${number(point.value)}`)),
      make("text", { x: x(index) - 4, y: height - 6 }, point.version),
    ]),
  );
}

function leaderboard(board) {
  const rows = board.attempts.map((attempt, index) => [
    String(index + 1), attempt.name, attempt.value === null ? wellness("bad", attempt.reason) : number(attempt.value), `${attempt.seconds.toFixed(1)} s`,
    make("code", {}, cut(JSON.stringify({ ...attempt.parameters, ...attempt.drawn }), 90)),
  ]);
  const title = make("summary", {}, `Leaderboard: ${plural(board.attempts.length, "attempt")} by ${board.metric}`);
  return make("details", { open: "" }, title, table(["", "attempt", board.metric, "took", "parameters"], rows));
}

// Endpoints

function endpoint(one) {
  const place = make("div");
  const parts = [make("h3", {}, one.name, " ", wellness(one.state, one.status)), make("p", { class: "soft" }, one.detail), place];
  if (one.state === "well") form(one.name, place);
  return make("article", { class: "card" }, ...parts);
}

async function form(name, place) {
  const about = await ask(`/api/endpoint/${encodeURIComponent(name)}`);
  if (about.error) return place.replaceChildren(wellness("bad", about.error));
  const example = about.parameters.example ?? {};
  const optional = (about.parameters.optional_inputs ?? []).map((input) => ({ ...input, optional: true }));
  const inputs = [...about.inputs, ...optional].map((input) => ({ ...input, field: field(name, input, input.optional ? null : [example[input.name]].flat()[0]) }));
  const answer = make("output", { "aria-live": "polite" });
  const labelled = (some) => make("div", { class: "fields" }, ...some.map((input) => make("label", {}, input.name, ...input.field)));
  const lookedUp = make("details", {}, make("summary", {}, `${plural(optional.length, "more input")}, looked up where left empty`), labelled(inputs.filter((input) => input.optional)));
  const send = (event) => { event.preventDefault(); predict(name, inputs, answer); };
  place.replaceChildren(make("form", { onsubmit: send, "data-endpoint": name }, labelled(inputs.filter((input) => !input.optional)), optional.length ? lookedUp : null, make("button", {}, "Try it"), answer));
}

function field(name, input, value) {
  const id = `${name}.${input.name}`;
  const shown = value === null || value === undefined ? "" : String(value);
  if (input.datatype === "BOOL") {
    const select = make("select", { name: input.name, "data-id": id }, ...["", "true", "false"].map((word) => make("option", {}, word)));
    select.value = shown;
    return [select];
  }
  const numeric = /^(INT|UINT|FP)/.test(input.datatype);
  const words = input.parameters?.categories ?? [];
  const list = words.length ? make("datalist", { id: `${id}.list` }, ...words.map((word) => make("option", { value: word }))) : null;
  const box = make("input", { name: input.name, "data-id": id, type: numeric ? "number" : "text", step: numeric ? "any" : null, autocomplete: "off", list: list ? `${id}.list` : null });
  box.value = shown;
  return list ? [box, list] : [box];
}

function tensor(input) {
  const text = input.field[0].value;
  const value = text === "" ? null : input.datatype === "BOOL" ? text === "true" : input.datatype === "BYTES" ? text : Number(text);
  return { name: input.name, shape: [1], datatype: input.datatype, data: [value] };
}

async function predict(name, inputs, answer) {
  answer.textContent = "asking…";
  const tensors = inputs.filter((input) => !(input.optional && input.field[0].value === "")).map(tensor);
  const found = await ask(`/api/endpoint/${encodeURIComponent(name)}`, { inputs: tensors });
  if (found.error) return answer.replaceChildren(wellness("bad", found.error));
  const rows = found.outputs.map((output) => [output.name, number(output.data[0])]);
  answer.replaceChildren(make("p", {}, "Answered by version ", make("strong", {}, found.model_version ?? "?")), table(["output", "value"], rows));
}

// Data and updates

function dataset(one) {
  const failed = one.checks.filter((check) => !check.passed);
  const checks = one.checks.map((check) => make("li", { class: check.passed ? "" : check.severity === "stop" ? "bad" : "wait" }, `${check.passed ? "✓" : "✗"} ${check.name}: ${check.message}`));
  const told = failed.length ? wellness("wait", plural(failed.length, "check") + " failed") : `${plural(one.checks.length, "check")} passed`;
  return make(
    "article", { class: "card" }, make("h3", {}, one.name, " ", wellness(one.state, one.status)), make("p", {}, one.detail),
    one.profile ? make("p", {}, make("a", { href: `/profile/${encodeURIComponent(one.name)}` }, "Profile"), " ", make("code", { class: "soft" }, one.digest.slice(0, 12))) : null,
    checks.length ? make("details", failed.length ? { open: "" } : {}, make("summary", {}, told), make("ul", {}, ...checks)) : null,
  );
}

function updates(found) {
  if (!found.length) return [make("p", { class: "card" }, "No updates yet: mlx apply.")];
  const rows = found.map((one) => {
    const changes = Object.entries(one.changes).filter(([word]) => word !== "same").map(([word, count]) => `${count} ${word.replace(/e?$/, "ed")}`);
    const who = [one.environment["exec.user"], one.environment["exec.host"]].filter(Boolean).join("@");
    return [moment(one.start * 1000), one.message || one.kind, wellness(one.result === "succeeded" ? "well" : "bad", one.result), `${(one.end - one.start).toFixed(0)} s`, changes.join(", ") || "nothing", who];
  });
  return [table(["when", "what", "result", "took", "resources", "who"], rows)];
}

// Looking

async function ask(path, body) {
  try {
    const sent = body ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {};
    const response = await fetch(path, { cache: "no-store", ...sent });
    const found = await response.json();
    return response.ok || found.error ? found : { error: `answered ${response.status}` };
  } catch {
    return { error: "mlx ui does not answer: is it still running?" };
  }
}

async function look() {
  const found = await ask("/api/snapshot");
  if (found.graph) {
    snapshot = found;
    draw();
  }
  const lines = found.error ? [found.error] : [...found.in_progress, ...found.problems];
  if (at("notice").textContent !== lines.join("\n")) at("notice").textContent = lines.join("\n");
  at("fresh").textContent = found.error ? "not fresh" : `as of ${new Date(found.at * 1000).toLocaleTimeString()}`;
}

function draw() {
  document.title = `${snapshot.project}, ${snapshot.environment}: mlx`;
  at("title").textContent = `${snapshot.project} / ${snapshot.environment}`;
  part("graph", snapshot.graph, graph);
  details();
  part("models", snapshot.models, (models) => (models.length ? models.map(model) : [make("p", { class: "card" }, "No models.")]));
  part("endpoints", snapshot.endpoints, (endpoints) => (endpoints.length ? endpoints.map(endpoint) : [make("p", { class: "card" }, "No endpoints.")]));
  part("datasets", snapshot.datasets, (datasets) => datasets.map(dataset));
  part("updates", snapshot.updates, updates);
}

async function watch() {
  if (!document.hidden) await look();
  setTimeout(watch, PERIOD);
}

watch();
