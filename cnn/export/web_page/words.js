// What each kind of layer does, in a heading and a few plain words.

const WORDS = {
  picture: () => ["The picture", "Your drawing as the net gets it, scaled to the pictures that it has learned from."],

  conv(layer) {
    const [kh, kw] = layer.kernel, filters = layer.output[2];
    const channels = layer.input[2], inputs = channels / layer.groups;
    const what = `${times(kh, kw)} convolution, ${counted(filters, "filter")}`;
    const over = inputs > 1 ? ` on each of ${inputs} maps` : "";
    const parts = [
      `Each filter slides over the ${channels > 1 ? "maps" : "picture"} above. At every place it multiplies the ` +
        `${times(kh, kw)} numbers under it${over} by its weights and adds them up: blue where it finds its pattern, ` +
        "orange where it finds the opposite.",
    ];
    if (layer.groups > 1) parts.push(`A filter sees ${counted(inputs, "map")} of the ${channels} alone.`);
    if (Math.max(...layer.stride) > 1) parts.push(`It moves by ${times(...layer.stride)} pixels.`);
    if (Math.max(...layer.dilation) > 1) parts.push(`Its numbers lie ${times(...layer.dilation)} pixels apart.`);
    if (Math.max(...layer.padding) > 0) parts.push("Around the edge it sees zeros.");
    return [what, parts.join(" ")];
  },

  dense(layer, isLast) {
    const units = layer.output[0], inputs = layer.input[0];
    const last = isLast ? " One unit stands for each answer, and the largest number wins." : "";
    return [
      `Dense layer, ${counted(units, "unit")}`,
      `Each unit looks at all ${inputs.toLocaleString("en")} numbers above, multiplies each by a weight of its own ` +
        `and adds them up: ${(units * inputs).toLocaleString("en")} weights.${last}`,
    ];
  },

  maxpool(layer) {
    if (layer.output.length === 1) return ["Global max pooling", "Of every map, only the largest number goes on."];
    return [
      `${times(...layer.kernel)} max pooling`,
      `Of each window of ${times(...layer.kernel)} numbers the largest goes on. The maps get smaller: what was found ` +
        "stays, and exactly where it was found is forgotten.",
    ];
  },

  avgpool(layer) {
    if (layer.output.length === 1) return ["Global average pooling", "Of every map, the mean goes on."];
    return [
      `${times(...layer.kernel)} average pooling`,
      `Each window of ${times(...layer.kernel)} numbers becomes their mean. The maps get smaller.`,
    ];
  },

  batchnorm: () => [
    "Batch normalisation",
    "Each map is brought to the mean and spread that it had in training, then multiplied by a slope and shifted: two " +
      "learned numbers a map.",
  ],

  layernorm: () => [
    "Layer normalisation",
    "At each place, the numbers of all maps are brought to mean 0 and variance 1, then multiplied and shifted by " +
      "learned numbers.",
  ],

  elementwise: (layer) => ACTIVATIONS[layer.function] ?? [layer.class, `Every number x becomes ${layer.formula}.`],

  rescale: (layer) => [
    "Rescaling",
    `Every number times ${told(layer.scale, 4)}${layer.offset ? `, plus ${told(layer.offset, 3)}` : ""}: small ` +
      "numbers around zero are easier to learn from.",
  ],

  flatten: (layer) => [
    "Flatten",
    `The numbers of all maps in one row of ${layer.output[0].toLocaleString("en")}. Nothing is computed.`,
  ],

  dropout: (layer) => [
    "Dropout",
    `While the net learned, ${Math.round(100 * layer.rate)} % of these numbers, at random, were set to zero. Now all ` +
      "pass as they are.",
  ],

  softmax: () => [
    "Softmax",
    "The scores become probabilities: e to the power of each score, divided by the sum of all these. All are " +
      "positive, and together they are 1.",
  ],

  residual: (layer) => [
    "Residual sum",
    "What the layers above made of their input, plus " +
      (layer.shortcut.length ? "what the shortcut made of it." : "that input itself."),
  ],
};

const ACTIVATIONS = {
  relu: ["ReLU", "What is below zero becomes zero. Only what a filter has found goes on, not its opposite."],
  leaky_relu: ["Leaky ReLU", "What is below zero becomes small. Mostly what has been found goes on."],
  sigmoid: ["Sigmoid", "Every number is pressed between 0 and 1."],
  tanh: ["Tanh", "Every number is pressed between \u22121 and 1."],
  gelu: ["GELU", "A smooth ReLU: what is far below zero becomes zero, what is far above it stays."],
  silu: ["SiLU", "A smooth ReLU: what is far below zero becomes zero, what is far above it stays."],
  softplus: ["Softplus", "A smooth ReLU: what is far below zero becomes nearly zero, what is far above it stays."],
};
