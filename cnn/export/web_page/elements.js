// Elements made in one call, and numbers as texts.

// An element; attributes that begin with "on" are listeners, those that are false or undefined are left out.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

// A number with so many digits behind the point; large ones with fewer, integers with none.
function told(value, digits = 2) {
  const size = Math.abs(value);
  if (Number.isInteger(value)) return minus(String(value));
  if (size < 0.5 * 10 ** -digits) return (0).toFixed(digits);
  return minus(value.toFixed(size >= 100 ? Math.max(digits - 2, 0) : size >= 10 ? Math.max(digits - 1, 0) : digits));
}

function minus(text) {
  return text.replace("-", "\u2212");
}

function counted(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

function percent(probability) {
  return probability > 0.999 && probability < 1 ? ">99.9\u2009%" : `${(100 * probability).toFixed(1)}\u2009%`;
}

function times(...sizes) {
  return sizes.join("\u2009\u00d7\u2009");
}
