// The pad: ink of a broad pen, drawn with mouse, finger, pen or keyboard. The canvas holds black ink on nothing; how
// much of it lies on a pixel is the pixel's alpha.

const LONGER = 280; // pixels of the pad's longer side
const PEN = LONGER / 12; // width of a line
const STEP = LONGER / 28; // of the pen that the keyboard moves

class Pad {
  // `changed` is called after every change of the ink, `say` with what a screen reader should tell.
  constructor(canvas, cursor, width, height, changed, say) {
    const longer = Math.max(width, height);
    Object.assign(canvas, { width: (LONGER * width) / longer, height: (LONGER * height) / longer });
    Object.assign(this, { canvas, cursor, changed, say, pointer: null, pen: { down: false } });
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    Object.assign(this.context, { lineWidth: PEN, lineCap: "round", lineJoin: "round" });
    this.pen.at = [canvas.width / 2, canvas.height / 2];
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.lift(event));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  // The ink as greys from 0 to 255, row by row.
  drawing() {
    const { width, height } = this.canvas;
    const { data } = this.context.getImageData(0, 0, width, height);
    const greys = new Uint8Array(width * height);
    for (let i = 0; i < greys.length; i++) greys[i] = data[4 * i + 3];
    return { width, height, greys };
  }

  clear() {
    this.wipe();
    this.changed();
  }

  wipe() {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  // Greys of an image of w x h pixels as ink, each pixel a square.
  show(greys, w, h) {
    const small = make("canvas", { width: w, height: h }), context = small.getContext("2d");
    const image = context.createImageData(w, h);
    greys.forEach((grey, i) => (image.data[4 * i + 3] = grey));
    context.putImageData(image, 0, 0);
    this.wipe();
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(small, 0, 0, this.canvas.width, this.canvas.height);
  }

  dot([x, y]) {
    this.context.beginPath();
    this.context.arc(x, y, PEN / 2, 0, 2 * Math.PI);
    this.context.fill();
  }

  line(from, to) {
    this.context.beginPath();
    this.context.moveTo(...from);
    this.context.lineTo(...to);
    this.context.stroke();
  }

  // ---- mouse, finger and pen: one at a time ----

  place(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - left) * this.canvas.width) / width,
      ((event.clientY - top) * this.canvas.height) / height,
    ];
  }

  press(event) {
    if (this.pointer !== null || event.button > 0) return;
    this.pointer = event.pointerId;
    if (event.isTrusted) this.canvas.setPointerCapture(event.pointerId);
    this.last = this.place(event);
    this.dot(this.last);
    this.changed();
  }

  move(event) {
    if (event.pointerId !== this.pointer) return;
    for (const each of event.getCoalescedEvents?.() ?? []) this.to(this.place(each));
    this.to(this.place(event));
    this.changed();
  }

  to(place) {
    this.line(this.last, place);
    this.last = place;
  }

  lift(event) {
    if (event.pointerId === this.pointer) this.pointer = null;
  }

  // ---- keyboard ----

  key(event) {
    const ways = { ArrowUp: [0, -STEP], ArrowDown: [0, STEP], ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0] };
    if (event.key in ways) this.go(ways[event.key]);
    else if (event.key === " " || event.key === "Enter") this.pressOrLift();
    else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else return;
    event.preventDefault();
    this.point();
  }

  go(way) {
    const limits = [this.canvas.width, this.canvas.height];
    const before = this.pen.at;
    this.pen.at = before.map((x, i) => Math.min(Math.max(x + way[i], PEN / 2), limits[i] - PEN / 2));
    if (!this.pen.down) return;
    this.line(before, this.pen.at);
    this.changed();
  }

  pressOrLift() {
    this.pen.down = !this.pen.down;
    this.say(this.pen.down ? "Pen down" : "Pen up");
    if (!this.pen.down) return;
    this.dot(this.pen.at);
    this.changed();
  }

  // Shows where the keyboard's pen is.
  point() {
    const [x, y] = this.pen.at;
    Object.assign(this.cursor.style, {
      left: `${(100 * x) / this.canvas.width}%`,
      top: `${(100 * y) / this.canvas.height}%`,
    });
    this.cursor.classList.toggle("down", this.pen.down);
    this.cursor.hidden = false;
  }
}
