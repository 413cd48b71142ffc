// Pictures for the mock: small PNG scenes that differ with their name, without any file beside this one.

import { deflateSync } from "node:zlib";

const SIDE = 192;

function crc(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc(body));
  return Buffer.concat([length, body, sum]);
}

/** A disc or a square on a shaded ground: form, colours and place come from the name's hexadecimal digits. */
function pixel(digits, x, y) {
  const colour = (at) => [0, 1, 2].map((part) => 40 + 13 * digits[at + part]);
  const [cx, cy] = [60 + 5 * digits[9], 60 + 5 * digits[10]];
  const r = 24 + 2 * digits[11];
  const inside = digits[12] % 2 ? Math.hypot(x - cx, y - cy) < r : Math.max(Math.abs(x - cx), Math.abs(y - cy)) < r;
  const stripe = digits[13] % 2 && (x + y) % 24 < 8 ? 0.75 : 1;
  const [from, shade] = inside ? [colour(0), stripe] : [colour(3), 1 - (0.4 * y) / SIDE];
  return from.map((value) => value * shade);
}

export function png(name) {
  const digits = [...name].map((digit) => parseInt(digit, 16) || 0);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(SIDE, 0);
  header.writeUInt32BE(SIDE, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc(SIDE * (1 + 3 * SIDE));
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) rows.set(pixel(digits, x, y), y * (1 + 3 * SIDE) + 1 + 3 * x);
  }
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}
