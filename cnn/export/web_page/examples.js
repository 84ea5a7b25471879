// Pictures to start from: a row of the data's images, and those that the net reads worst.

// Buttons in `list`, each of which hands its pixels to `start`; the element around the list is hidden without any.
function showExamples(list, examples, page, start) {
  list.parentElement.hidden = examples.length === 0;
  for (const example of examples) {
    const pixels = example.pixels.float32 ? floatsOf(example.pixels.float32) : bytesOf(example.pixels.uint8);
    const canvas = make("canvas", { "aria-hidden": "true" }), name = page.net.classes[example.label];
    const isWrong = example.read !== undefined, read = page.net.classes[example.read];
    const label = isWrong ? `${name}, which the net takes for ${read}` : `A picture${name ? ` of ${name}` : ""}`;
    const caption = isWrong ? make("span", {}, name, make("b", {}, ` \u2192 ${read}`)) : null;
    const attributes = { type: "button", class: "example", "aria-label": label, title: label };
    const button = make("button", attributes, canvas, caption);
    button.addEventListener("click", () => start(pixels));
    list.append(button);
    const [h, w] = page.net.input, redraw = () => paintPicture(canvas, pixels, page);
    canvas.style.aspectRatio = `${w} / ${h}`;
    redraw();
    dark.addEventListener("change", redraw);
  }
}

function paintPicture(canvas, pixels, page) {
  const [h, w, channels] = page.net.input;
  paint(canvas, w, h, (row, column) => page.pictureColour(pixels, (row * w + column) * channels));
}
