// The page: what is drawn goes through the net at once, and the maps are drawn with the next frame.

const data = JSON.parse(document.getElementById("data").textContent);
const net = openNet(data.net);
const [height, width, channels] = net.input;
const byId = (id) => document.getElementById(id);

const page = {
  net,
  say: (text) => (byId("said").textContent = text),
  isLast: (view) => view.layer === net.layers.at(-1),
  isNamed: (view) => page.isLast(view) || net.answering.includes(view.layer), // whose numbers are those of classes
  // The colour of a pixel of an input picture, whose first channel is at i: ink on paper, or its own colours.
  pictureColour(values, i) {
    const [factor, least] = data.scale;
    if (channels !== 3) return packed(ink(values[i], least, least + 255 * factor));
    return packed([0, 1, 2].map((c) => Math.min(Math.max((values[i + c] - least) / factor, 0), 255)));
  },
};

// ---- from the pad to the answer ----

const bars = new Bars(byId("answer"), byId("bars"), net, (text) => (byId("spoken").textContent = text));
const pad = new Pad(byId("pad"), byId("cursor"), width, height, read, page.say);

// The pixels that the net is given for what is on the pad; null for an empty one.
function pixelsOf(drawing) {
  const greys = data.lays_out ? laidOut(drawing) : resized(drawing, width, height).greys;
  if (!greys || greys.every((grey) => grey === 0)) return null;
  return onScale(greys);
}

// Greys from 0 to 255 on the scale of the images that the net has learned from, in each channel.
function onScale(greys) {
  const [factor, least] = data.scale.map(Math.fround), pixels = new Float32Array(greys.length * channels);
  for (let i = 0; i < pixels.length; i++) pixels[i] = Math.fround(greys[Math.floor(i / channels)] * factor) + least;
  return pixels;
}

function read() {
  see(pixelsOf(pad.drawing()));
}

// Lets the net read an image, or shows that there is none.
function see(pixels) {
  const outputs = runNet(net, pixels ?? onScale(new Uint8Array(height * width)));
  bars.show(answersOf(net, outputs), pixels === null);
  byId("hint").hidden = pixels !== null;
  drawSoon();
}

// Starts from an image: the net reads it as it is, the pad shows it as ink.
function start(pixels) {
  const [factor, least] = data.scale, greys = new Uint8ClampedArray(height * width);
  for (let i = 0; i < pixels.length; i++) greys[Math.floor(i / channels)] += (pixels[i] - least) / factor / channels;
  pad.show(greys, width, height);
  see(pixels);
}

// ---- layers ----

const views = [];

// Views of the layers one after the other, the first of which reads what `source` shows; the last one is returned.
function showLayers(layers, source, into) {
  for (const layer of layers) {
    let sources = [source];
    if (layer.kind === "residual") {
      const inside = make("div", { class: "branch" });
      into.append(inside);
      sources = [showLayers(layer.layers, source, inside), showLayers(layer.shortcut, source, inside)];
    }
    source = new LayerView(layer, sources, page, views.length);
    views.push(source);
    into.append(source.card);
  }
  return source;
}

let isDrawing = false;

function drawSoon() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    for (const view of views) view.draw();
  });
}

const picture = { kind: "picture", name: "picture", output: net.input, y: net.pixels, x: net.pixels };
views.push(new LayerView(picture, [], page, 0));
byId("layers").append(views[0].card);
showLayers(net.answering, showLayers(net.layers, views[0], byId("layers")), byId("layers"));
dark.addEventListener("change", drawSoon);

showExamples(byId("examples"), data.examples, page, start);
showExamples(byId("mistakes"), data.mistakes, page, start);
byId("clear").addEventListener("click", () => pad.clear());

// The page begins alive: with an image, and the brightest number of the first convolution explained.
if (data.examples.length) byId("examples").firstElementChild.click();
else read();
const first = views.find((view) => view.layer.kind === "conv");
if (first && data.examples.length) {
  first.chosen = first.placeOf(first.layer.y.indexOf(Math.max(...first.layer.y)));
}

// For the console, and for tests: logits of an image on the scale of those that the net has learned from; what the net
// reads now; another net, from its description.
let twin = null; // so that the maps stay as they are
window.cnn = {
  predict: (pixels) => Array.from(runNet((twin ??= openNet(data.net)), pixels)),
  input: () => Array.from(net.pixels),
  open(description) {
    const other = openNet(description);
    return { predict: (pixels) => Array.from(runNet(other, pixels)) };
  },
};
