// The colours of numbers: blue above zero, orange below it, and the paper's colour at zero; and of ink on paper.

const dark = matchMedia("(prefers-color-scheme: dark)");

// From the lowest to the highest number, at equal distances.
const SIGNED = {
  light: [
    [143, 58, 6], [222, 127, 52], [250, 214, 180], [255, 255, 255], [178, 206, 235], [66, 124, 186], [13, 47, 89],
  ],
  dark: [
    [255, 176, 104], [196, 104, 38], [84, 46, 22], [20, 26, 32], [20, 52, 88], [52, 122, 196], [150, 210, 255],
  ],
};
const INK = {
  light: [[255, 255, 255], [17, 24, 31]],
  dark: [[20, 26, 32], [240, 244, 248]],
};

function scheme() {
  return dark.matches ? "dark" : "light";
}

// The colour at a part of the way, from 0 to 1, along some colours.
function along(colours, part) {
  const place = Math.min(Math.max(part, 0), 1) * (colours.length - 1);
  const i = Math.min(Math.floor(place), colours.length - 2);
  return colours[i].map((value, k) => Math.round(value + (colours[i + 1][k] - value) * (place - i)));
}

// The colour of a value between -limit and limit; grey for what is no number.
function signed(value, limit) {
  if (Number.isNaN(value)) return [140, 140, 140];
  return along(SIGNED[scheme()], limit > 0 ? 0.5 + value / (2 * limit) : 0.5);
}

function ink(value, least, most) {
  return along(INK[scheme()], most > least ? (value - least) / (most - least) : 0);
}

// Colours a cell, and its text so that it can be read.
function colour(element, value, limit) {
  const [red, green, blue] = signed(value, limit);
  element.style.backgroundColor = `rgb(${red} ${green} ${blue})`;
  element.style.color = 0.3 * red + 0.59 * green + 0.11 * blue > 130 ? "#16202a" : "#ffffff";
}

// Paints a canvas of w x h pixels, whose packed colours a function of row and column gives; 0 leaves one empty.
function paint(canvas, w, h, colourAt) {
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const context = canvas.getContext("2d"), image = context.createImageData(w, h);
  const colours = new Uint32Array(image.data.buffer);
  for (let row = 0, at = 0; row < h; row++) {
    for (let column = 0; column < w; column++) colours[at++] = colourAt(row, column);
  }
  context.putImageData(image, 0, 0);
}

// A colour as a canvas holds it: the bytes red, green, blue, opacity, the first one lowest.
function packed([red, green, blue]) {
  return (red | (green << 8) | (blue << 16) | (255 << 24)) >>> 0;
}

const STEPS = 255; // of the colours that maps have, on each side of zero
const PALETTES = {};

// A function that gives the packed colours of values between -limit and limit.
function palette(limit) {
  const steps = (PALETTES[scheme()] ??= Uint32Array.from({ length: 2 * STEPS + 1 }, (_, i) =>
    packed(signed(i - STEPS, STEPS)),
  ));
  const factor = limit > 0 ? STEPS / limit : 0, none = packed(signed(NaN, 1));
  return (value) => (Number.isNaN(value) ? none : steps[STEPS + Math.round(value * factor)]);
}

function largest(values) {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]));
  return most;
}
