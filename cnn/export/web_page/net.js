// A net from its description in the page's data: parameters read, memory for every layer's output, the forward pass.

// The layers with their arrays; and behind them, what makes probabilities of their outputs, where that is wanted.
function openNet(description) {
  const layers = opened(description.layers), output = [description.classes.length];
  const size = description.input.reduce((product, side) => product * side, 1);
  const answering = {
    softmax: [{ kind: "softmax", input: output, output }],
    sigmoid: [{ kind: "elementwise", function: "sigmoid", constants: [], input: output, output }],
    values: [],
  }[description.answers];
  return { ...description, layers, answering: opened(answering), pixels: new Float32Array(size) };
}

function opened(layers) {
  return layers.map((layer) => {
    const read = {};
    for (const [name, value] of Object.entries(layer)) {
      const isLayers = Array.isArray(value) && typeof value[0] === "object";
      read[name] = value?.float32 !== undefined ? floatsOf(value.float32) : isLayers ? opened(value) : value;
    }
    return { ...read, y: new Float32Array(layer.output.reduce((product, side) => product * side, 1)) };
  });
}

// The last layer's outputs for an image, on the scale of those that the net has learned from.
function runNet(net, pixels) {
  net.pixels.set(pixels);
  return runLayers(net.layers, net.pixels);
}

// What the outputs say: probabilities of the classes, or of each class by itself, or the outputs as they are.
function answersOf(net, outputs) {
  return Array.from(runLayers(net.answering, outputs));
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function floatsOf(base64) {
  return new Float32Array(bytesOf(base64).buffer);
}
