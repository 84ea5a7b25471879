// A layer as it is shown: a card with a few words, its filters, its maps, and how the chosen number came about.

const MOST_MAPS = 32; // as long as not all are asked for
const MOST_COLUMNS = 28; // of numbers that are no map
const SAME_PLACES = new Set(["flatten", "dropout", "elementwise", "batchnorm", "layernorm", "rescale"]);

class LayerView {
  // `sources` are the views of what the layer reads, `page` has what concerns the whole page.
  constructor(layer, sources, page, number) {
    Object.assign(this, { layer, sources, page, number, chosen: null, showsAll: false });
    this.shape = layer.output.length === 3 ? layer.output : [1, layer.output.at(-1), 1];
    this.maps = new Maps(this);
    this.panel = make("div", { class: "panel", role: "region", hidden: true, onclick: (event) => this.lead(event) });
    this.panel.setAttribute("aria-label", `How a number of ${this.title} came about`);
    const filters = layer.kind === "conv" ? filtersOf(layer, this.maps.width()) : null;
    const kind = this.maps.isBrief ? "card brief" : "card";
    this.card = make("article", { class: kind }, this.head(), filters, this.maps.element, this.panel);
  }

  get title() {
    return this.words[0];
  }

  get words() {
    return WORDS[this.layer.kind](this.layer, this.page.isLast(this));
  }

  head() {
    const [title, text] = this.words;
    const size = this.layer.output.length === 3 ? times(...this.layer.output) : counted(this.shape[1], "number");
    return make(
      "header", {},
      make("span", { class: "number", "aria-hidden": "true" }, String(this.number)),
      make("h3", {}, title), make("span", { class: "size" }, size), make("p", {}, text),
    );
  }

  // ---- numbers and their places ----

  indexOf({ row, column, channel }) {
    return (row * this.shape[1] + column) * this.shape[2] + channel;
  }

  placeOf(i) {
    const [, w, channels] = this.shape, pixel = Math.floor(i / channels);
    return { row: Math.floor(pixel / w), column: pixel % w, channel: i % channels };
  }

  at(place) {
    return this.layer.y[this.indexOf(place)];
  }

  // The input's number at the same place, of a layer that changes each by itself.
  same(place) {
    return this.layer.x[this.indexOf(place)];
  }

  // A number of the input map; undefined outside of it.
  inputAt(row, column, channel) {
    const [h, w, channels] = this.sources[0].shape;
    if (row < 0 || row >= h || column < 0 || column >= w) return undefined;
    return this.layer.x[(row * w + column) * channels + channel];
  }

  inputLimit() {
    return largest(this.layer.x);
  }

  nameOf({ row, column, channel }) {
    if (this.page.isNamed(this)) {
      return `${this.page.isLast(this) ? "score" : "probability"} of ${this.page.net.classes[column]}`;
    }
    if (this.layer.output.length === 1) return `number ${column + 1}`;
    const map = this.shape[2] > 1 ? `map ${channel + 1}, ` : "";
    return `${map}row ${row + 1}, column ${column + 1}`;
  }

  // The view of the maps whose numbers the input is, if there are such; else the one before.
  origin() {
    let view = this.sources[0];
    while (view.layer.output.length === 1 && SAME_PLACES.has(view.layer.kind)) view = view.sources[0];
    return view;
  }

  // ---- the chosen number ----

  choose(place, scrolls = false) {
    this.chosen = place;
    this.draw();
    this.page.say(`${this.nameOf(place)}: ${told(this.at(place), 3)}. How it came about is told below.`);
    if (scrolls) this.card.scrollIntoView({ block: "center" });
  }

  close() {
    this.chosen = null;
    this.draw();
  }

  toggleAll() {
    this.showsAll = !this.showsAll;
    this.draw();
  }

  lead(event) {
    const place = event.target.closest("[data-place]")?.dataset.place;
    if (place) this.sources[0].choose(JSON.parse(place), true);
  }

  draw() {
    this.maps.draw();
    this.panel.hidden = !this.chosen;
    this.maps.mark(this.chosen);
    for (const source of this.sources) source.maps.window(this, null);
    if (!this.chosen) return;
    const { elements, windows } = EXPLAIN[this.layer.kind](this, this.chosen);
    for (const window of windows) this.sources[0]?.maps.window(this, window);
    const heading = make("h4", {}, capital(this.nameOf(this.chosen)), " is ", strong(told(this.at(this.chosen), 3)));
    const attributes = { type: "button", class: "close", "aria-label": "Close", onclick: () => this.close() };
    const close = make("button", attributes, "\u00d7");
    this.panel.replaceChildren(heading, close, ...elements);
  }
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}

// The filters of a convolution: of each, a picture for every map that it looks at; of one map, above the filter's own.
function filtersOf(layer, width) {
  const [kh, kw] = layer.kernel, filters = layer.output[2], inputs = layer.input[2] / layer.groups;
  if (kh * kw === 1) return null;
  const limit = largest(layer.weights), shown = Math.min(filters, MOST_MAPS), deep = Math.min(inputs, 16);
  const pictures = Array.from({ length: shown }, (_, filter) => {
    const canvases = Array.from({ length: deep }, (_, k) => {
      const canvas = make("canvas");
      const redraw = () => {
        const colours = palette(limit);
        paint(canvas, kw, kh, (u, v) => colours(layer.weights[((u * kw + v) * inputs + k) * filters + filter]));
      };
      redraw();
      dark.addEventListener("change", redraw);
      return canvas;
    });
    return make("div", { class: "filter", role: "img", "aria-label": `Filter ${filter + 1}` }, ...canvases);
  });
  const text = `Its ${counted(filters, "filter")}${deep > 1 ? ": of each, a picture for every map it looks at" : ""}`;
  for (const picture of pictures) picture.style.width = deep === 1 ? `${width}px` : "";
  const list = make("div", {}, ...pictures);
  return make("details", { class: "filters", open: deep === 1 }, make("summary", {}, text), list);
}
