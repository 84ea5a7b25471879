// How one number of a layer came about, number by number. Each function returns elements for the panel, and the windows
// of the input that were looked at. A place is { row, column, channel }; a cell with a place of the input in it leads
// to the number there.

const MOST_SHOWN = 3; // channels of a window, as long as not all are asked for
const MOST_TERMS = 8; // of a dense sum

const EXPLAIN = {
  conv(view, { row, column, channel }) {
    const { layer } = view, inputs = layer.input[2] / layer.groups, filters = layer.output[2];
    const firstInput = Math.floor(channel / (filters / layer.groups)) * inputs;
    const places = windowOf(layer, row, column);
    const terms = Array.from({ length: inputs }, (_, k) => {
      const values = places.map((place) => view.inputAt(place.row, place.column, firstInput + k));
      const weights = places.map(({ u, v }) => layer.weights[((u * layer.kernel[1] + v) * inputs + k) * filters + channel]);
      const sum = values.reduce((total, value, i) => total + (value ?? 0) * weights[i], 0);
      return { channel: firstInput + k, values, weights, sum };
    });
    const shown = view.showsAll ? terms : byRest(terms, (term) => term.sum).slice(0, MOST_SHOWN);
    const rest = inputs - shown.length;
    const elements = shown.map((term) => convolved(view, places, term, inputs > 1));
    if (inputs > MOST_SHOWN) elements.push(showAll(view, rest ? `Show all ${inputs} maps` : "Show the largest only"));
    const sums = terms.map((term) => term.sum);
    elements.push(total(sums, layer.bias?.[channel], view.at({ row, column, channel }), inputs > 1));
    return { elements, windows: [windowMark(places, Array.from({ length: inputs }, (_, k) => firstInput + k))] };
  },

  dense(view, { column: unit }) {
    const { layer } = view, units = layer.output[0];
    const terms = Array.from(layer.x, (value, i) => {
      const weight = layer.weights[i * units + unit];
      return { i, value, weight, product: value * weight };
    });
    const shown = byRest(terms, (term) => term.product).slice(0, MOST_TERMS);
    const rest = terms.length - shown.length;
    const others = terms.reduce((sum, term) => sum + term.product, 0) - shown.reduce((sum, term) => sum + term.product, 0);
    const origin = view.origin();
    const rows = shown.map(({ i, value, weight, product }) => {
      const place = view.sources[0].placeOf(i);
      return [{ text: origin.nameOf(origin.placeOf(i)), place }, value, weight, product];
    });
    const bias = layer.bias?.[unit];
    return {
      elements: [
        spoken(origin, terms.map((term) => term.product)),
        table(["from", "value", "weight", "product"], rows, [
          ...(rest ? [[`the other ${counted(rest, "input")}`, "", "", others]] : []),
          ...(bias === undefined ? [] : [["bias", "", "", bias]]),
          ["sum", "", "", view.at({ row: 0, column: unit, channel: 0 })],
        ]),
      ],
      windows: [],
    };
  },

  maxpool(view, { row, column, channel }) {
    const values = pooled(view, row, column, channel);
    const most = Math.max(...values.inside);
    const cells = grid(view, values.places, values.all, values.channel, "window", values.all.indexOf(most));
    return { elements: [beside(cells, line("The largest of them is ", strong(told(most, 3)), "."))], windows: [values.mark] };
  },

  avgpool(view, { row, column, channel }) {
    const values = pooled(view, row, column, channel), count = values.inside.length;
    const sum = values.inside.reduce((total, value) => total + value, 0);
    const text = line(`Their sum is ${told(sum, 3)}; divided by ${count} that is `, strong(told(sum / count, 3)), ".");
    const cells = count <= 81 ? grid(view, values.places, values.all, values.channel, "window") : null;
    return { elements: [beside(cells, text)], windows: [values.mark] };
  },

  batchnorm(view, place) {
    const { layer } = view, c = view.layer.output.length === 1 ? place.column : place.channel;
    const x = view.same(place), root = Math.sqrt(layer.variance[c] + layer.epsilon);
    return one(view, place, [
      ["input", x], ["minus the mean", layer.mean[c]], ["divided by the spread", root],
      ["times the slope", layer.gamma[c]], ["plus the shift", layer.beta[c]],
    ]);
  },

  layernorm(view, place) {
    const { layer } = view, channels = layer.gamma.length, i = view.indexOf(place), c = i % channels;
    const { mean, deviation } = moments(layer.x.subarray(i - c, i - c + channels), layer.epsilon);
    return one(view, place, [
      ["input", layer.x[i]], [`minus the mean of the ${channels} numbers here`, mean], ["divided by their spread", deviation],
      ["times the slope", layer.gamma[c]], ["plus the shift", layer.beta[c]],
    ]);
  },

  elementwise(view, place) {
    const { layer } = view, x = view.same(place), y = view.at(place);
    const explained = one(view, place, [["input", x]]);
    explained.elements = [beside(curve(layer, x, y), ...explained.elements)];
    return explained;
  },

  rescale: (view, place) =>
    one(view, place, [["input", view.same(place)], ["times", view.layer.scale], ["plus", view.layer.offset]]),

  flatten(view, { column }) {
    const from = view.sources[0], place = from.placeOf(column);
    return { elements: [line("It is the number at ", follow(from.nameOf(place), place), ", as it was.")], windows: [pixel(place)] };
  },

  dropout: (view, place) => one(view, place, [["input", view.same(place)]]),

  softmax(view, place) {
    const score = view.same(place), sum = view.layer.x.reduce((total, each) => total + Math.exp(each), 0);
    return one(view, place, [
      ["the score", score], ["e to its power", Math.exp(score)], ["divided by the sum of all these", sum],
    ]);
  },

  residual(view, place) {
    const i = view.indexOf(place), [branch, shortcut] = view.sources;
    return one(view, place, [
      ["from the layers above", branch.layer.y[i]], [view.layer.shortcut.length ? "plus the shortcut" : "plus the input", shortcut.layer.y[i]],
    ]);
  },

  picture: (view, place) => ({ elements: [line("A pixel of the picture that the net is given.")], windows: [] }),
};

// ---- parts of the panel ----

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
  const element = make("td", { class: isBest && "winner", title: minus(String(value)) }, told(value, Math.abs(value) < 10 ? 2 : 0));
  colour(element, value, limit);
  if (place) leadTo(element, place);
  return element;
}

// Sums of the channels, the bias, and what comes of them.
function total(sums, bias, value, hasMany) {
  const parts = hasMany && sums.length <= 8 ? sums.map((sum) => told(sum, 3)) : [told(sums.reduce((a, b) => a + b, 0), 3)];
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
      return product === undefined ? undefined : colours(product);
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
  const svg = drawn("svg", { viewBox: "0 0 120 80", class: "curve", role: "img", "aria-label": `${layer.function} of ${told(x)} is ${told(y)}` });
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

function byRest(terms, size) {
  return [...terms].sort((a, b) => Math.abs(size(b)) - Math.abs(size(a)));
}

// ---- windows ----

function pooled(view, row, column, channel) {
  const { layer } = view, [i, j] = layer.output.length === 1 ? [0, 0] : [row, column];
  const c = layer.output.length === 1 ? column : channel, places = windowOf(layer, i, j);
  const all = places.map((place) => view.inputAt(place.row, place.column, c));
  return { places, all, channel: c, inside: all.filter((value) => value !== undefined), mark: windowMark(places, [c]) };
}

function windowMark(places, channels) {
  const first = places[0], last = places[places.length - 1];
  return { top: first.row, left: first.column, bottom: last.row + 1, right: last.column + 1, channels };
}

function pixel({ row, column, channel }) {
  return { top: row, left: column, bottom: row + 1, right: column + 1, channels: [channel] };
}
