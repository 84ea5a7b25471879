// What each kind of layer computes, of one image. Values are Float32Array, channels last: the value of a channel at
// a row and a column is at (row * width + column) * channels + channel. Sums are kept in double precision and rounded
// once, when they are written.

const FORWARD = {
  conv(layer, x, y) {
    const [h, w, channels] = layer.input, [oh, ow, filters] = layer.output;
    const [kh, kw] = layer.kernel, [sh, sw] = layer.stride, [ph, pw] = layer.padding, [dh, dw] = layer.dilation;
    const { weights, bias, groups } = layer;
    const inputs = channels / groups, outputs = filters / groups; // of a group
    const sums = new Float64Array(filters);
    for (let i = 0, to = 0; i < oh; i++) {
      for (let j = 0; j < ow; j++, to += filters) {
        if (bias) sums.set(bias);
        else sums.fill(0);
        for (let u = 0; u < kh; u++) {
          const row = i * sh - ph + u * dh;
          if (row < 0 || row >= h) continue; // padding, which is zero
          for (let v = 0; v < kw; v++) {
            const column = j * sw - pw + v * dw;
            if (column < 0 || column >= w) continue;
            let pixel = (row * w + column) * channels;
            for (let group = 0; group < groups; group++) {
              let weight = (u * kw + v) * inputs * filters;
              for (let k = 0; k < inputs; k++, pixel++, weight += filters) {
                const value = x[pixel];
                for (let o = group * outputs; o < (group + 1) * outputs; o++) sums[o] += value * weights[weight + o];
              }
            }
          }
        }
        y.set(sums, to);
      }
    }
  },

  dense(layer, x, y) {
    const units = y.length;
    const sums = new Float64Array(units);
    if (layer.bias) sums.set(layer.bias);
    for (let i = 0, weight = 0; i < x.length; i++, weight += units) {
      const value = x[i];
      for (let o = 0; o < units; o++) sums[o] += value * layer.weights[weight + o];
    }
    y.set(sums);
  },

  maxpool(layer, x, y) {
    pool(layer, x, y, -Infinity, Math.max, (most) => most);
  },

  avgpool(layer, x, y) {
    pool(layer, x, y, 0, (sum, value) => sum + value, (sum, count) => sum / count);
  },

  batchnorm(layer, x, y) {
    const channels = layer.gamma.length;
    for (let i = 0; i < x.length; i++) {
      const c = i % channels;
      y[i] = ((x[i] - layer.mean[c]) / Math.sqrt(layer.variance[c] + layer.epsilon)) * layer.gamma[c] + layer.beta[c];
    }
  },

  layernorm(layer, x, y) {
    const channels = layer.gamma.length;
    for (let first = 0; first < x.length; first += channels) {
      const { mean, deviation } = moments(x.subarray(first, first + channels), layer.epsilon);
      for (let c = 0; c < channels; c++) {
        y[first + c] = ((x[first + c] - mean) / deviation) * layer.gamma[c] + layer.beta[c];
      }
    }
  },

  elementwise(layer, x, y) {
    const f = FUNCTIONS[layer.function];
    for (let i = 0; i < x.length; i++) y[i] = f(x[i], ...layer.constants);
  },

  rescale(layer, x, y) {
    for (let i = 0; i < x.length; i++) y[i] = x[i] * layer.scale + layer.offset;
  },

  flatten(layer, x, y) {
    y.set(x);
  },

  dropout(layer, x, y) {
    y.set(x); // it drops while a net learns
  },

  softmax(layer, x, y) {
    const most = Math.max(...x), powers = Array.from(x, (score) => Math.exp(score - most));
    const sum = powers.reduce((total, power) => total + power, 0);
    for (let i = 0; i < y.length; i++) y[i] = powers[i] / sum;
  },

  residual(layer, x, y) {
    const branch = runLayers(layer.layers, x), shortcut = runLayers(layer.shortcut, x);
    for (let i = 0; i < y.length; i++) y[i] = branch[i] + shortcut[i];
  },
};

// The complement of the error function, 1 - erf(x), to 1e-10: exp(-x * x) times a series of positive terms, so that no
// digit of the error function is lost.
function erfc(x) {
  if (!(Math.abs(x) < 5)) return 1 - Math.sign(x);
  let term = x, sum = x;
  for (let n = 1; Math.abs(term) > 1e-16 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return 1 - ((2 / Math.sqrt(Math.PI)) * sum) / Math.exp(x * x);
}

// The layers one after the other; each keeps its input in x and its output in y.
function runLayers(layers, x) {
  for (const layer of layers) {
    layer.x = x;
    FORWARD[layer.kind](layer, x, layer.y);
    x = layer.y;
  }
  return x;
}

// Every window of every channel, reduced to one value: from `start`, value by value; padding does not count.
function pool(layer, x, y, start, reduce, finish) {
  const [h, w, channels] = layer.input, [oh, ow] = layer.map;
  const [kh, kw] = layer.kernel, [sh, sw] = layer.stride, [ph, pw] = layer.padding;
  for (let i = 0, to = 0; i < oh; i++) {
    const top = Math.max(i * sh - ph, 0), bottom = Math.min(i * sh - ph + kh, h);
    for (let j = 0; j < ow; j++) {
      const left = Math.max(j * sw - pw, 0), right = Math.min(j * sw - pw + kw, w);
      for (let c = 0; c < channels; c++) {
        let value = start;
        for (let row = top; row < bottom; row++) {
          for (let column = left; column < right; column++) value = reduce(value, x[(row * w + column) * channels + c]);
        }
        y[to++] = finish(value, (bottom - top) * (right - left));
      }
    }
  }
}

// Mean of some values, and the root of their variance plus epsilon.
function moments(values, epsilon) {
  let mean = 0, variance = 0;
  for (const value of values) mean += value / values.length;
  for (const value of values) variance += (value - mean) ** 2 / values.length;
  return { mean, deviation: Math.sqrt(variance + epsilon) };
}
