// @ts-check
// Pictures that are drawn here, each time a little different, so that nothing is done already.

const SIZE = Object.freeze({ width: 1600, height: 1067 });
const TINY = Object.freeze({ width: 96, height: 64 });

/** @typedef {"dunes" | "harbour" | "torn"} SampleName */

/** @type {Readonly<Record<SampleName, (pen: CanvasRenderingContext2D, chance: () => number) => void>>} */
const DRAWINGS = Object.freeze({ dunes, harbour, torn });
const TORN_SHARE = 0.4; // of its bytes that are sent: its header is whole

export const SAMPLES = Object.freeze(/** @type {SampleName[]} */ (Object.keys(DRAWINGS)));

/** @param {SampleName} name @param {HTMLCanvasElement} canvas drawn in its own size */
export function drawSample(name, canvas, seed = 7) {
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.save();
  pen.scale(canvas.width / SIZE.width, canvas.height / SIZE.height);
  DRAWINGS[name](pen, chances(seed));
  pen.restore();
}

/** @param {SampleName} name @returns {Promise<File>} */
export async function samplePicture(name) {
  const canvas = canvasOf(SIZE);
  const seed = Math.floor(Math.random() * 2 ** 31);
  drawSample(name, canvas, seed);
  grain(canvas, chances(seed));
  const whole = await file(canvas, `${name}.jpg`, 0.9);
  if (name !== "torn") return whole;
  return new File([whole.slice(0, whole.size * TORN_SHARE)], whole.name, { type: whole.type });
}

/** A small picture that no other one is like. @param {number} number @returns {Promise<File>} */
export async function tinyPicture(number) {
  const canvas = canvasOf(TINY);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const chance = chances(Math.floor(Math.random() * 2 ** 31));
  pen.fillStyle = `hsl(${Math.floor(chance() * 360)} 60% 45%)`;
  pen.fillRect(0, 0, TINY.width, TINY.height);
  for (let spot = 0; spot < 12; spot += 1) {
    pen.fillStyle = `hsl(${Math.floor(chance() * 360)} 70% 60% / 0.7)`;
    pen.fillRect(chance() * TINY.width, chance() * TINY.height, 20, 14);
  }
  return file(canvas, `picture-${number}.jpg`, 0.8);
}

/** @param {CanvasRenderingContext2D} pen @param {() => number} chance */
function dunes(pen, chance) {
  const { width, height } = SIZE;
  sky(pen, ["#2b1b3d", "#a8442f", "#f5a55a", "#fbd9a0"]);
  pen.fillStyle = "#ffe9c4";
  disc(pen, width * (0.3 + chance() * 0.4), height * 0.42, 74);
  const shades = ["#b5613c", "#8d4330", "#642c28", "#3b1a1f"];
  shades.forEach((shade, row) => ridge(pen, chance, { shade, top: height * (0.5 + row * 0.12), swing: 90, step: 320 }));
}

/** @param {CanvasRenderingContext2D} pen @param {() => number} chance */
function harbour(pen, chance) {
  const { width, height } = SIZE;
  sky(pen, ["#0e1f33", "#244a63", "#6f97a3", "#d6d3bd"]);
  ridge(pen, chance, { shade: "#1d3a4b", top: height * 0.55, swing: 60, step: 210 });
  pen.fillStyle = "#16303f";
  pen.fillRect(0, height * 0.66, width, height);
  for (let house = 0; house < 13; house += 1) building(pen, chance, house * 126 - 20);
  pen.strokeStyle = "rgb(255 220 150 / 0.35)";
  pen.lineWidth = 5;
  for (let wave = 0; wave < 60; wave += 1) {
    const y = height * (0.7 + chance() * 0.28);
    const x = chance() * width;
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(x + 30 + chance() * 90, y);
    pen.stroke();
  }
}

/** The lower part of it does not arrive. @param {CanvasRenderingContext2D} pen @param {() => number} chance */
function torn(pen, chance) {
  const { width, height } = SIZE;
  dunes(pen, chance);
  pen.fillStyle = "#8a8580";
  pen.beginPath();
  pen.moveTo(width, height);
  pen.lineTo(0, height);
  for (let x = 0; x <= width; x += width / 8) pen.lineTo(x, height * (0.5 + chance() * 0.2));
  pen.fill();
}

/** @param {CanvasRenderingContext2D} pen @param {() => number} chance @param {number} left */
function building(pen, chance, left) {
  const { height } = SIZE;
  const tall = height * (0.12 + chance() * 0.2);
  const top = height * 0.66 - tall;
  pen.fillStyle = ["#7b3b34", "#a8583f", "#c9885a", "#5b4a52", "#8c6f5c"][Math.floor(chance() * 5)];
  pen.fillRect(left, top, 112, tall);
  pen.fillStyle = "#ffd98f";
  for (let row = 0; row < tall / 52 - 1; row += 1) {
    for (let column = 0; column < 3; column += 1) {
      if (chance() > 0.35) pen.fillRect(left + 16 + column * 32, top + 18 + row * 52, 16, 24);
    }
  }
}

/** @param {CanvasRenderingContext2D} pen @param {string[]} colours from above */
function sky(pen, colours) {
  const shades = pen.createLinearGradient(0, 0, 0, SIZE.height * 0.7);
  colours.forEach((colour, index) => shades.addColorStop(index / (colours.length - 1), colour));
  pen.fillStyle = shades;
  pen.fillRect(0, 0, SIZE.width, SIZE.height);
}

/** @param {CanvasRenderingContext2D} pen @param {() => number} chance @param {{shade: string, top: number, swing: number, step: number}} form */
function ridge(pen, chance, { shade, top, swing, step }) {
  pen.fillStyle = shade;
  pen.beginPath();
  pen.moveTo(0, SIZE.height);
  pen.lineTo(0, top);
  for (let x = 0; x < SIZE.width + step; x += step) {
    const bend = top + (chance() - 0.5) * 2 * swing;
    pen.quadraticCurveTo(x + step / 2, bend, x + step, top + (chance() - 0.5) * swing);
  }
  pen.lineTo(SIZE.width + step, SIZE.height);
  pen.fill();
}

/** @param {CanvasRenderingContext2D} pen @param {number} x @param {number} y @param {number} radius */
function disc(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

/** As a photograph has it; without it an encoder has next to nothing to do. @param {HTMLCanvasElement} canvas @param {() => number} chance */
function grain(canvas, chance) {
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const pixels = pen.getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < pixels.data.length; at += 4) {
    const lighter = (chance() - 0.5) * 26;
    for (let band = 0; band < 3; band += 1) pixels.data[at + band] += lighter;
  }
  pen.putImageData(pixels, 0, 0);
}

/** The same row of numbers for the same seed. @param {number} seed @returns {() => number} 0 to 1 */
function chances(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** @param {{width: number, height: number}} size */
function canvasOf({ width, height }) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** @param {HTMLCanvasElement} canvas @param {string} name @param {number} quality @returns {Promise<File>} */
function file(canvas, name, quality) {
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(new File([blob], name, { type: blob.type })) : reject(new Error("no picture was drawn"))),
      "image/jpeg",
      quality,
    );
  });
}
