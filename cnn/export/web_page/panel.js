// What the panel of a chosen number is made of: tables of windows, terms and steps, curves, and words that lead on.

// One input channel of a convolution: what lies in the window, times the filter's weights.
function convolved(view, places, { channel, values, weights, sum }, hasMany) {
  const products = values.map((value, i) => (value ?? 0) * weights[i]);
  const title = hasMany ? `map ${channel + 1}` : "input";
  return make(
    "div", { class: "sum" },
    grid(view, places, values, channel, title), sign("\u00d7"),
    grid(view, places, weights, null, "filter"), sign("="),
    grid(view, places, products, null, `sum ${told(sum, 3)}`),
  );
}

// A window of numbers as a table; of an input channel, its cells lead to it. What is outside of the input is hatched.
function grid(view, places, values, channel, title, best = -1) {
  const limit = channel === null ? largest(values) : view.inputLimit();
  const rows = [];
  places.forEach(({ u, v, row, column }, i) => {
    rows[u] ??= make("tr");
    const place = channel === null ? null : { row, column, channel };
    rows[u].append(cell(values[i], limit, place, i === best));
  });
  const wide = rows[0].children.length;
  return make("table", { class: `grid ${wide > 5 ? "small" : ""}` }, make("caption", {}, title), ...rows);
}

function cell(value, limit, place, isBest) {
  if (value === undefined) return make("td", { class: "outside" }, "0");
  const text = told(value, Math.abs(value) < 10 ? 2 : 0);
  const element = make("td", { class: isBest && "winner", title: minus(String(value)) }, text);
  colour(element, value, limit);
  if (place) leadTo(element, place);
  return element;
}

// Sums of the channels, the bias, and what comes of them.
function total(sums, bias, value, hasMany) {
  const shown = hasMany && sums.length <= 8 ? sums : [sums.reduce((a, b) => a + b, 0)];
  const parts = shown.map((sum) => told(sum, 3));
  const text = [parts.join(" + ").replaceAll("+ \u2212", "\u2212 ")];
  if (bias !== undefined) text.push(` ${bias < 0 ? "\u2212" : "+"} ${told(Math.abs(bias), 3)} (bias)`);
  if (!hasMany && bias === undefined) return line("Their sum is ", strong(told(value, 3)), ".");
  const before = hasMany ? "All maps together: " : "";
  return line(`${before}${text.join("")} = `, strong(told(value, 3)));
}

// A computation on one number, step by step, whose input is at the same place.
function one(view, place, steps) {
  const rows = steps.map(([name, value], i) => [i ? name : { text: name, place }, value]);
  return { elements: [table(["", ""], rows, [["result", view.at(place)]])], windows: [pixel(place)] };
}

function table(head, rows, foot) {
  const filled = (cells, tag = "td") => make("tr", {}, ...cells.map((each, i) => entry(each, i, tag)));
  const heading = head.some(Boolean) ? make("thead", {}, filled(head, "th")) : null;
  const body = make("tbody", {}, ...rows.map((cells) => filled(cells)));
  return make("table", { class: "terms" }, heading, body, make("tfoot", {}, ...foot.map((cells) => filled(cells))));
}

function entry(content, i, tag) {
  if (typeof content === "number") return make(tag, { class: "number" }, told(content, 3));
  if (content.place) return make(tag, {}, follow(content.text, content.place));
  return make(tag, i ? { class: "number" } : {}, content.text ?? content);
}

// What spoke for a unit, blue, and what against it, orange, where it came from.
function spoken(origin, products) {
  const [h, w, channels] = origin.shape, colours = palette(largest(products));
  const canvases = Array.from({ length: channels }, (_, channel) => {
    const columns = h === 1 ? Math.min(w, 20) : w, rows = h === 1 ? Math.ceil(w / columns) : h;
    const canvas = make("canvas");
    canvas.style.width = `${h === 1 ? 14 * columns : Math.min(Math.max(12 * columns, 16), 64)}px`;
    paint(canvas, columns, rows, (row, column) => {
      const product = products[(row * columns + column) * channels + channel];
      return product === undefined ? 0 : colours(product);
    });
    return canvas;
  });
  const text = "Where its sum comes from: blue spoke for it, orange against it.";
  return make("figure", { class: "spoken" }, make("figcaption", {}, text), make("div", {}, ...canvases));
}

// An activation's curve, and the number on it.
function curve(layer, x, y) {
  const reach = Math.max(4, Math.abs(x) * 1.15), f = (t) => FUNCTIONS[layer.function](t, ...layer.constants);
  const points = Array.from({ length: 81 }, (_, i) => ((i - 40) * reach) / 40);
  const top = Math.max(...points.map((t) => Math.abs(f(t)))) * 1.1;
  const at = (t, value) => [60 + (55 * t) / reach, 40 - (36 * value) / top].map((side) => side.toFixed(1));
  const drawn = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const [cx, cy] = at(x, y);
  const label = `${layer.function} of ${told(x)} is ${told(y)}`;
  const svg = drawn("svg", { viewBox: "0 0 120 80", class: "curve", role: "img", "aria-label": label });
  svg.append(
    drawn("path", { d: "M5 40H115M60 4V76", class: "axes" }),
    drawn("path", { d: `M${points.map((t) => at(t, f(t)).join(" ")).join("L")}` }),
    drawn("circle", { cx, cy, r: 3 }),
  );
  return svg;
}

// ---- words and signs ----

function line(...content) {
  return make("p", { class: "line" }, ...content);
}

function strong(text) {
  return make("strong", {}, text);
}

function sign(text) {
  return make("span", { class: "sign", "aria-hidden": "true" }, text);
}

function beside(...content) {
  return make("div", { class: "sum" }, ...content);
}

function follow(text, place) {
  const button = make("button", { type: "button", class: "follow" }, text);
  leadTo(button, place);
  return button;
}

// A click on the element leads to the number of the input at a place; the panel listens.
function leadTo(element, place) {
  element.dataset.place = JSON.stringify(place);
}

function showAll(view, text) {
  return make("button", { type: "button", class: "plain", onclick: () => view.toggleAll() }, text);
}

function bySize(terms, size) {
  return [...terms].sort((a, b) => Math.abs(size(b)) - Math.abs(size(a)));
}

