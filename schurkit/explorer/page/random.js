// The counter-based generator of schurkit.random (splitmix64, Wichura's AS 241): the same draws for the same (seed, stream, step, index).
const MASK = (1n << 64n) - 1n, GAMMA = 0x9e3779b97f4a7c15n;
const mix = (state) => {
  let z = (state + GAMMA) & MASK;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return z ^ (z >> 31n);
};
const streamNumber = (name) => new TextEncoder().encode(name).reduce((number, byte) => ((number ^ BigInt(byte)) * 0x100000001b3n) & MASK, 0xcbf29ce484222325n);
const randomKey = (seed, stream, step) => mix(mix(mix(BigInt(seed)) ^ streamNumber(stream)) ^ BigInt(step));
// Draw number k is mix(key + k γ), here in 32-bit halves, which is ten times faster: calls `take(high, low)` for each word.
const times = (ah, al, bh, bl) => {
  const a0 = al & 0xffff, a1 = al >>> 16, b0 = bl & 0xffff, b1 = bl >>> 16;
  const low = a0 * b0, middle = a1 * b0 + (low >>> 16), more = a0 * b1 + (middle % 65536);
  const high = a1 * b1 + Math.floor(middle / 65536) + Math.floor(more / 65536);
  return [(high + Math.imul(ah, bl) + Math.imul(al, bh)) >>> 0, Math.imul(al, bl) >>> 0];
};
const words = (seed, stream, step, count, take) => {
  const key = randomKey(seed, stream, step);
  let h = Number(key >> 32n), l = Number(key & 0xffffffffn);
  for (let k = 0; k < count; k++) {
    const sum = l + 0x7f4a7c15;
    l = sum >>> 0;
    h = (h + 0x9e3779b9 + (sum > 0xffffffff ? 1 : 0)) >>> 0;
    let zh = h ^ (h >>> 30), zl = l ^ ((l >>> 30) | (h << 2));
    [zh, zl] = times(zh, zl, 0xbf58476d, 0x1ce4e5b9);
    [zh, zl] = times(zh ^ (zh >>> 27), zl ^ ((zl >>> 27) | (zh << 5)), 0x94d049bb, 0x133111eb);
    take((zh ^ (zh >>> 31)) >>> 0, (zl ^ ((zl >>> 31) | (zh << 1))) >>> 0, k);
  }
};
const RATIOS = [
  [[3.387132872796366608, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3],
   [1, 4.231333070160091125e1, 6.871870074920579083e2, 5.3941960214247511077e3, 2.1213794301586595867e4, 3.930789580009271061e4, 2.8729085735721942674e4, 5.226495278852854561e3]],
  [[1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504, 1.27045825245236838258, 2.4178072517745061177e-1, 2.27238449892691845833e-2, 7.7454501427834140764e-4],
   [1, 2.05319162663775882187, 1.6763848301838038494, 6.8976733498510000455e-1, 1.4810397642748007459e-1, 1.51986665636164571966e-2, 5.475938084995344946e-4, 1.05075007164441684324e-9]],
  [[6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 2.9656057182850489123e-1, 2.6532189526576123093e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7],
   [1, 5.9983220655588793769e-1, 1.3692988092273580531e-1, 1.48753612908506148525e-2, 7.868691311456132591e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15]],
];
const ratio = ([top, bottom], x) => top.reduceRight((sum, c) => sum * x + c, 0) / bottom.reduceRight((sum, c) => sum * x + c, 0);
const inverseNormal = (u) => {
  const q = u - 0.5;
  if (Math.abs(q) <= 0.425) return q * ratio(RATIOS[0], 0.180625 - q * q);
  const r = Math.sqrt(-Math.log(q < 0 ? u : 1 - u)), value = r > 5 ? ratio(RATIOS[2], r - 5) : ratio(RATIOS[1], r - 1.6);
  return q < 0 ? -value : value;
};
const normals = (seed, stream, step, count) => {
  const drawn = new Float64Array(count);
  words(seed, stream, step, count, (high, low, k) => { drawn[k] = inverseNormal((high * 2 ** 20 + (low >>> 12) + 0.5) * 2 ** -52); });
  return drawn;
};
const permutation = (seed, stream, step, size) => {
  const drawn = [];
  words(seed, stream, step, size, (high, low) => drawn.push([high, low]));
  return drawn.map((_, k) => k).sort((a, b) => drawn[a][0] - drawn[b][0] || drawn[a][1] - drawn[b][1] || a - b);
};
