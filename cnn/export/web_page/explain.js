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
      const weights = places.map((_, i) => layer.weights[(i * inputs + k) * filters + channel]);
      const sum = values.reduce((total, value, i) => total + (value ?? 0) * weights[i], 0);
      return { channel: firstInput + k, values, weights, sum };
    });
    const shown = view.showsAll ? terms : bySize(terms, (term) => term.sum).slice(0, MOST_SHOWN);
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
    const shown = bySize(terms, (term) => term.product).slice(0, MOST_TERMS);
    const rest = terms.length - shown.length;
    const together = (some) => some.reduce((sum, term) => sum + term.product, 0);
    const others = together(terms) - together(shown);
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
    const text = line("The largest of them is ", strong(told(most, 3)), ".");
    return { elements: [beside(cells, text)], windows: [values.mark] };
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
      ["input", layer.x[i]],
      [`minus the mean of the ${channels} numbers here`, mean], ["divided by their spread", deviation],
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
    const text = line("It is the number at ", follow(from.nameOf(place), place), ", as it was.");
    return { elements: [text], windows: [pixel(place)] };
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
    const other = view.layer.shortcut.length ? "plus the shortcut" : "plus the input";
    return one(view, place, [
      ["from the layers above", branch.layer.y[i]], [other, shortcut.layer.y[i]],
    ]);
  },

  picture: (view, place) => ({ elements: [line("A pixel of the picture that the net is given.")], windows: [] }),
};

// ---- windows ----

// The places of the window that makes a pixel: row u and column v in the window, row and column in the input. Those
// outside of the input are padding.
function windowOf(layer, i, j) {
  const [kh, kw] = layer.kernel, [dh, dw] = layer.dilation ?? [1, 1];
  const top = i * layer.stride[0] - layer.padding[0], left = j * layer.stride[1] - layer.padding[1];
  const places = [];
  for (let u = 0; u < kh; u++) {
    for (let v = 0; v < kw; v++) places.push({ u, v, row: top + u * dh, column: left + v * dw });
  }
  return places;
}

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
