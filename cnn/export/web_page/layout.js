// Where a drawing lies in the net's image. A net for images of 28 x 28 grey pixels is given it as MNIST has its digits
// and as --digits lays out the digit of a picture: the ink cut out, its longer side scaled to 20 pixels, its centre of
// mass in the middle. Others are given the pad, scaled. All images are greys from 0, the paper, to 255.

const SIDE = 28, BOX = 20, CANVAS = 2 * SIDE - BOX;
const FAINTEST = 25; // the least grey that the darkest ink must have
const BLACK = 0.7, PAPER = 0.25; // of the darkest ink: what is all ink, and what is none

// The drawing { width, height, greys } as greys of an image (SIDE, SIDE); null where there is no ink.
function laidOut({ width, height, greys }) {
  const darkest = largest(greys);
  if (darkest < FAINTEST) return null;
  const ink = new Uint8ClampedArray(greys.length); // which rounds as it is written
  for (let i = 0; i < ink.length; i++) ink[i] = ((greys[i] / darkest - PAPER) * 255) / (BLACK - PAPER);
  const { top, left, bottom, right } = inkBox(width, height, ink);
  const digit = { width: right - left, height: bottom - top };
  digit.greys = new Uint8ClampedArray(digit.width * digit.height);
  for (let row = top, to = 0; row < bottom; row++, to += digit.width) {
    digit.greys.set(ink.subarray(row * width + left, row * width + right), to);
  }
  const longer = Math.max(digit.width, digit.height);
  const [h, w] = [digit.height, digit.width].map((side) => Math.max(1, roundEven((BOX * side) / longer)));
  return centred(resized(digit, w, h));
}

// The smallest box around all pixels that are more ink than paper.
function inkBox(width, height, ink) {
  const box = { top: height, left: width, bottom: 0, right: 0 };
  for (let row = 0, i = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (ink[i++] <= 127) continue;
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

// An image scaled: each new pixel is the mean of the area that it covers.
function resized({ width, height, greys }, toWidth, toHeight) {
  const narrow = new Float64Array(height * toWidth), result = new Uint8ClampedArray(toHeight * toWidth);
  areas(width, toWidth).forEach((area, column) => {
    for (let row = 0; row < height; row++) narrow[row * toWidth + column] = mean(area, greys, row * width, 1);
  });
  areas(height, toHeight).forEach((area, row) => {
    const to = row * toWidth;
    for (let column = 0; column < toWidth; column++) result[to + column] = mean(area, narrow, column, toWidth);
  });
  return { width: toWidth, height: toHeight, greys: result };
}

function mean({ first, weights }, values, start, step) {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += weights[i] * values[start + (first + i) * step];
  return sum;
}

// For each pixel of a scaled row, the first pixel that it covers, and how much of it that one and the next ones are.
function areas(size, toSize) {
  return Array.from({ length: toSize }, (_, i) => {
    const from = (i * size) / toSize, to = ((i + 1) * size) / toSize, first = Math.floor(from);
    const weights = [];
    for (let k = first; k < to; k++) weights.push((Math.min(k + 1, to) - Math.max(k, from)) / (to - from));
    return { first, weights };
  });
}

// To the nearest integer, and to the even one of two that are equally near, as NumPy rounds.
function roundEven(x) {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}
