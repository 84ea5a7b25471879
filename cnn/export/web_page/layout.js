// Where a drawing lies in the net's image. A net for images of 28 x 28 grey pixels is given it as MNIST has its digits:
// the ink cut out, its longer side scaled to 20 pixels, its centre of mass in the middle. Others are given the pad,
// scaled. This follows cnn/datasets; all images are greys from 0, the paper, to 255.

const SIDE = 28, BOX = 20, CANVAS = 2 * SIDE - BOX;
const FAINTEST = 25; // the least grey that the darkest ink must have
const EDGE = 1 / 3; // of the darkest ink: what is fainter is taken for paper

// The drawing { width, height, greys } as greys of an image (SIDE, SIDE); null where there is no ink.
function laidOut({ width, height, greys }) {
  const darkest = largest(greys);
  if (darkest < FAINTEST) return null;
  const { top, left, bottom, right } = inkBox(width, height, greys, EDGE * darkest);
  const digit = { width: right - left, height: bottom - top };
  digit.greys = new Uint8ClampedArray(digit.width * digit.height);
  for (let row = top, to = 0; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      digit.greys[to++] = (greys[row * width + column] * 255) / darkest; // rounded as it is written, of two to the even
    }
  }
  const longer = Math.max(digit.width, digit.height);
  const [h, w] = [digit.height, digit.width].map((side) => Math.max(1, roundEven((BOX * side) / longer)));
  return centred(resized(digit, w, h));
}

// The smallest box around all pixels with more ink than `least`.
function inkBox(width, height, greys, least) {
  const box = { top: height, left: width, bottom: 0, right: 0 };
  for (let row = 0, i = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (greys[i++] <= least) continue;
      box.top = Math.min(box.top, row);
      box.left = Math.min(box.left, column);
      box.bottom = row + 1;
      box.right = Math.max(box.right, column + 1);
    }
  }
  return box;
}

// A digit put into a larger canvas, of which the square around its centre of mass is cut out.
function centred({ width, height, greys }) {
  const top = Math.floor((CANVAS - height) / 2), left = Math.floor((CANVAS - width) / 2);
  let total = 0, down = 0, across = 0;
  greys.forEach((grey, i) => {
    total += grey;
    down += grey * (top + Math.floor(i / width));
    across += grey * (left + (i % width));
  });
  const [first, before] = [down, across].map((sum) =>
    Math.min(Math.max(roundEven(sum / total) - SIDE / 2, 0), CANVAS - SIDE),
  );
  const image = new Uint8Array(SIDE * SIDE);
  greys.forEach((grey, i) => {
    const row = top + Math.floor(i / width) - first, column = left + (i % width) - before;
    if (row >= 0 && row < SIDE && column >= 0 && column < SIDE) image[row * SIDE + column] = grey;
  });
  return image;
}

// An image scaled by cubic convolution, which averages where it shrinks: rows first, then columns, each rounded.
function resized({ width, height, greys }, toWidth, toHeight) {
  const narrow = new Uint8ClampedArray(height * toWidth);
  kernels(width, toWidth).forEach((kernel, column) => {
    for (let row = 0; row < height; row++) narrow[row * toWidth + column] = weighted(kernel, greys, row * width, 1);
  });
  const result = new Uint8ClampedArray(toHeight * toWidth);
  kernels(height, toHeight).forEach((kernel, row) => {
    for (let column = 0; column < toWidth; column++) {
      result[row * toWidth + column] = weighted(kernel, narrow, column, toWidth);
    }
  });
  return { width: toWidth, height: toHeight, greys: result };
}

function weighted({ first, weights }, values, start, step) {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += weights[i] * values[start + (first + i) * step];
  return sum;
}

// For each pixel of a scaled row, the first pixel that counts and the weights of it and the following ones.
function kernels(size, toSize) {
  const factor = size / toSize, wide = Math.max(factor, 1);
  return Array.from({ length: toSize }, (_, i) => {
    const centre = (i + 0.5) * factor;
    const first = Math.max(Math.floor(centre - 2 * wide + 0.5), 0);
    const end = Math.min(Math.floor(centre + 2 * wide + 0.5), size);
    const weights = [];
    for (let k = first; k < end; k++) weights.push(cubic((k + 0.5 - centre) / wide));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

// Keys' kernel with a = -1/2.
function cubic(x) {
  const t = Math.abs(x);
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
}

// To the nearest integer, and to the even one of two that are equally near, as NumPy rounds.
function roundEven(x) {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}
