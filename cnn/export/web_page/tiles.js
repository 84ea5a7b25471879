// The maps of a layer as pictures, of which a pixel can be chosen with a click or by keyboard. Numbers that are no maps
// are one picture, in rows.

class Maps {
  constructor(view) {
    this.view = view;
    const [h, w, channels] = view.shape;
    this.isRow = view.layer.output.length === 1;
    this.columns = this.isRow ? Math.min(w, MOST_COLUMNS) : w;
    this.rows = this.isRow ? Math.ceil(w / this.columns) : h;
    this.pictures = view.layer.kind === "picture" ? 1 : channels;
    this.isBrief = this.pictures === 1 && !this.isRow; // there is room for it beside the words
    this.tiles = [];
    // A screen reader leaves the arrow keys to an application.
    this.list = make("div", { class: "maps", role: "application", "aria-roledescription": "maps" });
    this.list.setAttribute("aria-label", this.label());
    const scale = make("canvas", { "aria-hidden": "true" });
    this.legend = make("div", { class: "legend" }, make("span"), scale, make("span"));
    this.element = make("div", {}, this.list, this.legend);
    this.add(Math.min(this.pictures, MOST_MAPS));
    if (this.pictures > MOST_MAPS) this.element.append(this.more());
    this.legend.hidden = view.layer.kind === "picture";
  }

  label() {
    const [h, w, channels] = this.view.shape;
    return this.isRow ? counted(w, "number") : `${counted(channels, "map")} of ${times(h, w)}`;
  }

  more() {
    const button = make("button", { type: "button", class: "plain" }, `Show all ${this.pictures} maps`);
    button.addEventListener("click", () => {
      this.add(this.pictures);
      button.remove();
      this.view.draw();
    });
    return button;
  }

  // Makes tiles up to so many.
  add(count) {
    while (this.tiles.length < count) this.list.append(this.tile(this.tiles.length));
  }

  tile(channel) {
    const canvas = make("canvas", { role: "img", tabindex: channel ? -1 : 0 });
    const name = this.isRow ? this.view.title : `Map ${channel + 1} of ${this.view.title}`;
    canvas.setAttribute("aria-label", `${name}. Arrow keys choose a pixel, Enter explains it.`);
    const mark = make("i", { class: "mark", hidden: true }), frame = make("div", { class: "frame" }, canvas, mark);
    frame.style.width = `${this.width()}px`;
    canvas.style.aspectRatio = `${this.columns} / ${this.rows}`;
    const number = make("span", { class: "caption", "aria-hidden": "true" }, String(channel + 1));
    const caption = this.pictures > 1 ? number : null;
    const tile = { canvas, mark, frame, channel, windows: new Map() };
    canvas.addEventListener("click", (event) => this.click(tile, event));
    canvas.addEventListener("keydown", (event) => this.key(tile, event));
    canvas.addEventListener("focus", () => this.focused(tile));
    this.tiles.push(tile);
    const names = this.view.page.isNamed(this.view) && this.rows === 1 ? this.names() : null;
    return make("div", { class: "tile" }, frame, names ?? caption);
  }

  // How wide a picture is shown; fewer ones are shown larger.
  width() {
    if (this.isRow) return this.columns * (this.rows > 1 ? 14 : 26);
    const most = this.pictures <= 8 ? 112 : 72;
    return Math.min(Math.max(this.columns * 4, Math.min(most, 56)), most);
  }

  // The classes below the scores of the last layer.
  names() {
    const names = this.view.page.net.classes.map((name) => make("span", {}, name.slice(0, 3)));
    return make("div", { class: "names", "aria-hidden": "true" }, ...names);
  }

  // ---- pictures ----

  draw() {
    const { y } = this.view.layer;
    const colours = this.view.layer.kind === "picture" ? null : palette(this.limit(largest(y)));
    for (const { canvas, channel } of this.tiles) {
      paint(canvas, this.columns, this.rows, (row, column) => {
        const pixel = row * this.columns + column, i = this.isRow ? pixel : pixel * this.view.shape[2] + channel;
        if (i >= y.length) return 0;
        return colours ? colours(y[i]) : this.view.page.pictureColour(y, i);
      });
    }
  }

  // The scale below the maps.
  limit(limit) {
    const [least, canvas, most] = this.legend.children, colours = palette(1);
    least.textContent = told(-limit);
    most.textContent = told(limit);
    paint(canvas, 65, 1, (_, column) => colours((column - 32) / 32));
    return limit;
  }

  // The frame around the chosen pixel.
  mark(place) {
    for (const tile of this.tiles) {
      const isHere = place && (this.pictures === 1 || tile.channel === place.channel);
      tile.mark.hidden = !isHere;
      if (isHere) this.put(tile.mark, this.shown(place));
    }
  }

  // The window that another layer's chosen number was made of, on the maps that it looked at; null takes it away.
  window(owner, window) {
    for (const tile of this.tiles) {
      tile.windows.get(owner)?.remove();
      tile.windows.delete(owner);
      const isHere = window && (this.pictures === 1 || window.channels.includes(tile.channel));
      if (!isHere) continue;
      const element = make("i", { class: "window" });
      tile.windows.set(owner, element);
      tile.frame.append(element);
      const first = this.shown({ row: Math.max(window.top, 0), column: Math.max(window.left, 0) });
      const height = Math.min(window.bottom, this.view.shape[0]) - Math.max(window.top, 0);
      const width = Math.min(window.right, this.view.shape[1]) - Math.max(window.left, 0);
      this.put(element, first, height, width);
    }
  }

  // Row and column in the picture.
  shown({ row, column }) {
    return this.isRow ? { row: Math.floor(column / this.columns), column: column % this.columns } : { row, column };
  }

  put(element, { row, column }, height = 1, width = 1) {
    const parts = {
      left: column / this.columns, top: row / this.rows, width: width / this.columns, height: height / this.rows,
    };
    for (const [name, part] of Object.entries(parts)) element.style[name] = `${100 * part}%`;
  }

  // ---- choosing ----

  place({ channel }, row, column) {
    return this.isRow ? { row: 0, column: row * this.columns + column, channel: 0 } : { row, column, channel };
  }

  click(tile, event) {
    const { left, top, width, height } = tile.canvas.getBoundingClientRect();
    const row = Math.min(Math.floor(((event.clientY - top) * this.rows) / height), this.rows - 1);
    const column = Math.min(Math.floor(((event.clientX - left) * this.columns) / width), this.columns - 1);
    const place = this.place(tile, Math.max(row, 0), Math.max(column, 0));
    if (this.view.indexOf(place) < this.view.layer.y.length) this.view.choose(place);
  }

  // One picture of a layer is reached by Tab: the last one that was.
  focused(tile) {
    for (const each of this.tiles) each.canvas.tabIndex = each === tile ? 0 : -1;
    this.cursor ??= [Math.floor(this.rows / 2), Math.floor(this.columns / 2)];
  }

  key(tile, event) {
    const ways = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const others = { PageDown: 1, PageUp: -1 };
    if (event.key in ways) this.go(tile, ...ways[event.key]);
    else if (event.key in others) this.tiles[tile.channel + others[event.key]]?.canvas.focus();
    else if (event.key === "Enter" || event.key === " ") this.view.choose(this.place(tile, ...this.cursor));
    else if (event.key === "Escape") this.view.close();
    else return;
    event.preventDefault();
  }

  // Moves the keyboard's pixel; the number there is told.
  go(tile, down, right) {
    const row = Math.min(Math.max(this.cursor[0] + down, 0), this.rows - 1);
    const column = Math.min(Math.max(this.cursor[1] + right, 0), this.columns - 1);
    const place = this.place(tile, row, column);
    if (this.view.indexOf(place) >= this.view.layer.y.length) return;
    this.cursor = [row, column];
    if (this.view.chosen) this.view.choose(place);
    else {
      this.mark(place);
      this.view.page.say(`${this.view.nameOf(place)}: ${told(this.view.at(place), 3)}`);
    }
  }
}
