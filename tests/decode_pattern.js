// Reads the strip of the test pattern; its geometry is described in src/manyeyes/sources/pattern.py.
// A plain script for a page (`decodePattern` becomes a global) and a CommonJS module for node.

// Takes an ImageData, or anything with RGBA `data`, `width` and `height`, of the whole picture at any scale.
// Returns {counter, wallMs}, or null where there is no strip that can be read.
function decodePattern({ data, width, height }) {
  const middle = (index, extent, parts) => {
    const cell = extent / parts;
    const begin = Math.ceil((index + 0.25) * cell - 0.5);
    const end = Math.floor((index + 0.75) * cell + 0.5);
    return begin < end ? [begin, end] : [Math.floor((index + 0.5) * cell), Math.floor((index + 0.5) * cell) + 1];
  };
  const bytes = new Array(12).fill(0);
  for (let cell = 0; cell < 96; cell++) {
    const [x0, x1] = middle(cell % 32, width, 32);
    const [y0, y1] = middle(21 + Math.floor(cell / 32), height, 24);
    let sum = 0;
    for (let y = y0; y < y1; y++) {
      for (let x = x0; x < x1; x++) sum += data[(y * width + x) * 4 + 1];
    }
    if (sum >= 128 * (x1 - x0) * (y1 - y0)) bytes[cell >> 3] |= 0x80 >> (cell & 7);
  }
  let crc = 0xffff;
  for (const byte of bytes.slice(0, 10)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  const number = (from, to) => bytes.slice(from, to).reduce((value, byte) => value * 256 + byte, 0);
  return crc === number(10, 12) ? { counter: number(0, 4), wallMs: number(4, 10) } : null;
}

if (typeof module !== "undefined") module.exports = { decodePattern };
